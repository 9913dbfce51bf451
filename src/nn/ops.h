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

/* Normalises and activates blocks [first, end) of one image's pre-activations; block 0 of `residual` (p NULL = none) and
 * of `to` is `first`. */
void block_activate(const struct net *net, const struct op *op, int image, int first, int end,
                    const struct view *residual, const struct view *to);
void upsample_block(const struct kernels *k, const struct tensor *in, const struct view *from, int from_block,
                    const struct view *to, int to_block);

/* For inference, once per set of weights: packs them and folds BatchNorm, or the bias, into scale and shift. */
void conv_op_prepare(struct net *net, struct op *op);
/* Packs the weights of one convolution for forward or for the input's gradient. */
void conv_op_pack(struct net *net, struct op *op, bool is_backward);
/* The convolution's part of a backward, for both kinds that have one: dz is what the tensor's gradient holds. Runs the
 * groups of images on the pool; prepare(net, op, image) is called for each image first (may be NULL). */
void conv_op_backward(struct net *net, struct op *op, int n, void (*prepare)(struct net *, struct op *, int image));

static inline real *worker_scratch(const struct net *net, int worker)
{
    return net->scratch + (size_t)worker * net->scratch_stride;
}

#endif
