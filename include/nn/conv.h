/* Convolution of one image as matrix products over tiles of output rows. No allocation, cannot fail: conv_plan fixed
 * the shapes. k is 1 or 3 (any odd size works), padding k/2, no dilation, no groups. */
#ifndef NN_CONV_H
#define NN_CONV_H

#include "nn/kernels.h"

struct conv_shape conv_plan(int ci, int co, int k, int stride, int ih, int iw);
/* Scratch elements that one worker needs for forward / backward. */
size_t conv_scratch_forward(const struct conv_shape *s);
size_t conv_scratch_backward(const struct conv_shape *s);
static inline size_t conv_weights(const struct conv_shape *s)
{
    return (size_t)s->co * (size_t)s->ci * (size_t)s->k * (size_t)s->k;
}

/* y[co,oh,ow] = conv(x[ci,ih,iw], w[co,ci,k,k]); overwrites y. No argument may overlap. */
void conv_forward(const struct kernels *kern, const struct conv_shape *s, const real *x, const real *w, real *y,
                  real *scratch);

/* dw (+)= dL/dw, dx (+)= dL/dx from dy[co,oh,ow]: added where accumulate_* is set, overwritten else. dx may be NULL
 * (the first layer). */
void conv_backward(const struct kernels *kern, const struct conv_shape *s, const real *x, const real *w, const real *dy,
                   real *dw, bool accumulate_dw, real *dx, bool accumulate_dx, real *scratch);

#endif
