/* One forward and one backward per kind of operation; called by net.c alone. n = images in the batch. */
#ifndef NN_OPS_H
#define NN_OPS_H

#include "nn/net.h"

void block_forward(struct net *net, struct op *op, int n);
void block_backward(struct net *net, struct op *op, int n);
void biased_forward(struct net *net, struct op *op, int n);
void biased_backward(struct net *net, struct op *op, int n);
void maxpool_forward(struct net *net, struct op *op, int n);
void maxpool_backward(struct net *net, struct op *op, int n);
void upsample_forward(struct net *net, struct op *op, int n);
void upsample_backward(struct net *net, struct op *op, int n);

/* The convolution's part of a backward, for both kinds that have one: dz is what the tensor's gradient holds. Runs the
 * groups of images on the pool; prepare(net, op, image) is called for each image first (may be NULL). */
void conv_op_backward(struct net *net, struct op *op, int n, void (*prepare)(struct net *, struct op *, int image));

#endif
