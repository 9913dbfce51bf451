/* The parts of a net's plan that say where values lie and how long. Private to nn. */
#ifndef NN_MEMORY_H
#define NN_MEMORY_H

#include "nn/net.h"

/* Gives every buffer its place in net->data, and sets net->n_data. The operations are complete. */
void memory_plan(struct net *net);

/* Marks the buffers whose values backward computes again: all that blocks (with residuals inside the buffer) and
 * upsampling fill. Pooling and the caller's own buffers stay. */
void restore_mark(struct net *net);
/* Elements that a worker needs to restore what operation i reads, for the images of one group; 0 = it is still there. */
size_t restore_elements(const struct net *net, int i);
/* Whom a restoration of tensor t, as it was before operation `before`, asks for stored values: calls keep(ctx, tensor). */
void restore_sources(const struct net *net, int t, int before, void (*keep)(void *ctx, int tensor), void *ctx);
/* What operation i reads of images [first, end), as a tensor whose image 0 is `first`: where it lies, or restored into
 * memory with the bits of forward. */
struct tensor restore_images(const struct net *net, int i, int first, int end, real *memory);

#endif
