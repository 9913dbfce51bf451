/* Where activations live. This file alone knows the layout; everybody else asks for a place or a copy.
 *
 * Channels lie in blocks of 16 (LANES; the last block is padded with channels that are zero): [image][block][row][column]
 * [16]. Around every plane is a border of one pixel that is zero, so that a 3x3 convolution needs no test at the edge. The
 * network's input has blocks of 4 instead, so that RGB costs no 16.
 *
 * A tensor is a view: a run of channel blocks inside a planned buffer. Producers write straight into the channels that
 * a concatenation will read, so concat and split are only views. */
#ifndef NN_TENSOR_H
#define NN_TENSOR_H

#include <stddef.h>

#include "nn/kernels.h"

#define TENSOR_BORDER 1
#define TENSOR_INPUT_LANES 4

struct tensor {
    int c, h, w;
    int lanes;           /* channels in a block: LANES, or TENSOR_INPUT_LANES */
    int blocks;          /* c / lanes, rounded up */
    size_t row, plane;   /* elements from one row, one block to the next, border included */
    size_t image_stride; /* elements from one image of the batch to the next */
    real *data;          /* image 0, block 0, row 0, column 0 (inside the border) */
    real *grad;          /* the same place of the gradient buffer; NULL for inference */
};

/* One image of a tensor's values or of its gradient. */
struct view {
    real *p;
    size_t row, plane;
};

static inline struct view tensor_data(const struct tensor *t, int image)
{
    return (struct view){t->data + (size_t)image * t->image_stride, t->row, t->plane};
}

static inline struct view tensor_grad(const struct tensor *t, int image)
{
    return (struct view){t->grad + (size_t)image * t->image_stride, t->row, t->plane};
}

/* The pixel at (y, x) of a channel block: its lanes follow. Blocks of 16. */
static inline real *view_at(const struct view *m, int block, int y, int x)
{
    return m->p + (size_t)block * m->plane + (size_t)y * m->row + (size_t)x * LANES;
}

static inline real *view_channel(const struct view *m, int c, int y, int x)
{
    return view_at(m, c / LANES, y, x) + c % LANES;
}

/* Sets c, h, w, lanes, blocks, row and plane; returns the elements of one image. */
size_t tensor_shape(struct tensor *t, int c, int h, int w, int lanes);
/* Zeroes the border: memory that was something else before has to look like an activation again. */
void tensor_clear_border(const struct tensor *t, const struct view *m);

/* Copies one image's values to or from plain planes [c][h][w], whatever the layout. For tests and other slow paths. */
void tensor_get(const struct tensor *t, int image, real *chw);
void tensor_set(const struct tensor *t, int image, const real *chw);
void tensor_get_grad(const struct tensor *t, int image, real *chw);
void tensor_set_grad(const struct tensor *t, int image, const real *chw);

#endif
