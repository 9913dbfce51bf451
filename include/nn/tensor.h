/* Where activations live. This type alone knows the layout (NCHW: an image's channels are planes one after another);
 * everybody else asks for an image or a plane.
 *
 * A tensor is a view: a run of channels inside a planned buffer. Producers write straight into the channels that a
 * concatenation will read, so concat and split are only views. */
#ifndef NN_TENSOR_H
#define NN_TENSOR_H

#include <stddef.h>

#include "nn/param.h"

struct tensor {
    int c, h, w;
    size_t image_stride; /* elements from one image of the batch to the next */
    real *data;          /* first plane of image 0 */
    real *grad;          /* the same view of the gradient buffer; NULL for inference */
};

static inline size_t tensor_plane_size(const struct tensor *t)
{
    return (size_t)t->h * (size_t)t->w;
}

static inline real *tensor_image(const struct tensor *t, int image)
{
    return t->data + (size_t)image * t->image_stride;
}

static inline real *tensor_grad_image(const struct tensor *t, int image)
{
    return t->grad + (size_t)image * t->image_stride;
}

/* Copies one image's values to or from plain planes [c][h][w], whatever the layout. For tests and other slow paths. */
void tensor_get(const struct tensor *t, int image, real *chw);
void tensor_set(const struct tensor *t, int image, const real *chw);
void tensor_get_grad(const struct tensor *t, int image, real *chw);
void tensor_set_grad(const struct tensor *t, int image, const real *chw);

#endif
