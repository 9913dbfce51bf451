/* Convolution of blocked maps: k 1 or 3, stride 1 or 2, padding k/2, no dilation, no groups. Nothing here allocates after
 * conv_plan, and nothing can fail.
 *
 * Two algorithms, chosen by shape alone: 3x3 at stride 1 by Winograd's F(4x4, 3x3) (a quarter of the multiplications; its
 * rounding error is 2 to 4 times that of the direct sum), everything else directly. How an output is cut into chunks
 * changes nothing about its bits; it is a function of the shape all the same, since statistics are taken per chunk.
 *
 * Weights are used in packed form, [block out][block in][tap][16 in][16 out], transformed to 36 points for Winograd. */
#ifndef NN_CONV_H
#define NN_CONV_H

#include "core/arena.h"
#include "nn/tensor.h"

struct conv_taps { /* one product: which inputs an output pixel reads, and its weights' place in a block of outputs */
    int *offsets;
    int n;
    size_t weights; /* elements before these taps */
};

struct conv {
    int ci, co, k, stride;
    int ih, iw, oh, ow;
    int in_lanes, in_blocks, out_blocks;
    bool is_winograd;
    int chunk_rows, n_chunks;   /* of the forward: output rows */
    int grad_rows, n_grad_chunks; /* of the input gradient: rows of dy (dx has stride times as many) */
    struct conv_taps forward;
    struct conv_taps backward[4]; /* stride 1: one; stride 2: by the parity of the row, then of the column */
};

/* The tensors need c, h, w, lanes, row and plane only. is_direct forbids Winograd. */
void conv_plan(struct conv *c, const struct tensor *in, const struct tensor *out, int k, int stride, bool is_direct,
               struct arena *a);

/* The row after chunk's last of the forward pass. */
static inline int conv_chunk_end(const struct conv *c, int chunk)
{
    int end = (chunk + 1) * c->chunk_rows;
    return end < c->oh ? end : c->oh;
}

static inline size_t conv_weights(const struct conv *c) /* of the parameter, [co][ci][k][k] */
{
    return (size_t)c->co * (size_t)c->ci * (size_t)(c->k * c->k);
}
size_t conv_packed(const struct conv *c);  /* elements of packed weights, either direction */
size_t conv_partial(const struct conv *c); /* elements of a packed weight gradient */
size_t conv_scratch(const struct conv *c, bool is_training); /* elements that one worker needs */

/* Packs one block of outputs (forward: of co, backward: of ci; the number of such blocks is in_blocks/out_blocks). */
void conv_pack_forward(const struct kernels *k, const struct conv *c, const real *w, int out_block, real *packed,
                       real *scratch);
void conv_pack_backward(const struct kernels *k, const struct conv *c, const real *w, int in_block, real *packed,
                        real *scratch);

/* Rows [chunk*chunk_rows, ...) of one image; overwrites them. */
void conv_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                  const struct view *y, int chunk, real *scratch);
/* dx (+)= dL/dx from dy, whose border must be zero. */
void conv_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                     const struct view *dx, bool is_added, int chunk, real *scratch);

/* dL/dw of the first n images of x and dy, packed: overwrites partial (conv_partial elements). */
void conv_weight_grad(const struct kernels *k, const struct conv *c, const struct tensor *x, const struct tensor *dy, int n,
                      real *partial, real *scratch);

/* The same for a network's first layer, ci = 3 in blocks of TENSOR_INPUT_LANES, whose input are bytes: [ih][iw][3], of
 * which each stands for value / 255. To the same bits as from a tensor of those values. */
void conv_forward_rgb(const struct kernels *k, const struct conv *c, const uint8_t *rgb, const real *packed,
                      const struct view *y, int chunk, real *scratch);
void conv_weight_grad_rgb(const struct kernels *k, const struct conv *c, const uint8_t *const *images,
                          const struct tensor *dy, int n, real *partial, real *scratch);

/* dw[co][ci][k][k] += the packed gradient of one block of outputs. */
void conv_unpack_grad(const struct conv *c, const real *partial, int out_block, real *dw);

#endif
