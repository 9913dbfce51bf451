/* What the files of the convolution share: conv.c (plan, packing), conv_direct.c, conv_winograd.c. */
#ifndef NN_CONV_PRIVATE_H
#define NN_CONV_PRIVATE_H

#include "nn/conv.h"

#define BLOCK (LANES * LANES) /* weights between two channel blocks, for one tap */

static inline int conv_run(const struct conv *c) /* inputs that follow each other at one offset */
{
    return c->in_lanes == LANES ? LANES : c->in_lanes * c->k;
}

static inline int conv_tap_blocks(const struct conv *c) /* of [run][16] weights per block of outputs */
{
    return c->in_lanes == LANES ? c->in_blocks * c->k * c->k : c->k;
}

static inline size_t conv_direct_size(const struct conv *c) /* packed weights of one block of outputs, untransformed */
{
    return (size_t)conv_tap_blocks(c) * (size_t)conv_run(c) * LANES;
}

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

void direct_plan(struct conv *c, const struct tensor *in, const struct tensor *out, struct arena *a);
size_t direct_scratch(const struct conv *c);
void direct_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                    const struct view *y, int chunk);
void direct_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                       const struct view *dx, bool is_added, int chunk);
void direct_weight_grad(const struct kernels *k, const struct conv *c, const struct view *x, const struct view *dy,
                        real *partial);

void winograd_plan(struct conv *c, struct arena *a);
size_t winograd_scratch(const struct conv *c, bool is_training);
/* [taps of one block of outputs, [in_blocks][9][16][16]] to points [36][n_out][in_blocks][16][16]. */
void winograd_pack(const struct kernels *k, const real *taps, int in_blocks, int out_block, int n_out, real *packed);
void winograd_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                      const struct view *y, int chunk, real *scratch);
void winograd_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                         const struct view *dx, bool is_added, int chunk, real *scratch);
void winograd_weight_grad(const struct kernels *k, const struct conv *c, const struct tensor *x, const struct tensor *dy,
                          int n_images, real *partial, real *scratch);

#endif
