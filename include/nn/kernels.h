/* The one table through which the engine computes. kernels_select fills every slot from ref.c, the obvious loops that
 * define each operation, and then overrides slots: matrix products by OpenBLAS, element-wise work by SIMD files that
 * were compiled for their own instruction set. A GPU would be one more file that fills the same table.
 *
 * Kernels never allocate, log or fail. Planes are contiguous runs of n numbers (one channel of one image, or part of
 * it). Sums come back in double and depend on n alone, never on the instruction set or the thread. */
#ifndef NN_KERNELS_H
#define NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "nn/param.h"

/* A 2-D convolution of one image: input [ci,ih,iw], output [co,oh,ow], weight [co,ci,k,k], zero padding k/2. */
struct conv_shape {
    int ci, co, k, stride;
    int ih, iw, oh, ow;
    int tile_rows; /* output rows handled per matrix product; a function of the shape alone */
};

struct adamw_step {
    real lr, beta1, beta2, eps, decay; /* decay is decoupled: p -= lr * decay * p */
    real correction1, correction2;     /* 1 - beta^t */
    real grad_scale;                   /* gradient clipping factor */
};

struct kernels {
    const char *name;

    /* c[m,n] = beta * c + op(a)[m,k] op(b)[k,n], row-major; op transposes where ta / tb. beta is 0 or 1; with 0, c is
     * not read. */
    void (*gemm)(bool ta, bool tb, int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
                 real *c, int ldc);

    /* col[(ci*k+ky)*k+kx][r*ow+ox] = x[ci][(row0+r)*stride+ky-k/2][ox*stride+kx-k/2], 0 outside; r < n_rows. */
    void (*im2col)(const struct conv_shape *s, const real *x, int row0, int n_rows, real *col);
    /* dx += the transpose of im2col applied to col. */
    void (*col2im)(const struct conv_shape *s, const real *col, int row0, int n_rows, real *dx);

    /* mean and sum of squared differences from it. */
    void (*plane_stats)(const real *z, size_t n, double *mean, double *m2);
    /* out = silu(scale*z + shift) + residual; residual may be NULL; out may be z. silu(y) = y * sigmoid(y). */
    void (*bn_silu)(const real *z, size_t n, real scale, real shift, const real *residual, real *out);
    /* d: in dL/d out, out dy = d * silu'(scale*z + shift). sum_dy = sum dy, sum_dyz = sum dy * (z - mean). */
    void (*silu_grad)(const real *z, real *d, size_t n, real scale, real shift, real mean, double *sum_dy,
                      double *sum_dyz);
    /* d = a*d + b*(z - mean) + c: the rest of BatchNorm's gradient. */
    void (*bn_grad)(const real *z, real *d, size_t n, real mean, real a, real b, real c);

    void (*add)(real *dst, const real *src, size_t n); /* dst += src */
    double (*sum)(const real *p, size_t n);
    double (*sum_squares)(const real *p, size_t n);
    void (*sigmoid)(const real *x, real *out, size_t n); /* out may be x */
    void (*add_scalar)(real *p, size_t n, real value);

    void (*adamw)(const struct adamw_step *s, size_t n, const real *grad, real *p, real *m, real *v);
    /* Nesterov SGD: g += decay*p; m = momentum*m + g; p -= lr*(g + momentum*m). */
    void (*sgd)(size_t n, real lr, real momentum, real decay, real grad_scale, const real *grad, real *p, real *m);
    void (*ema)(size_t n, real keep, const real *p, real *ema); /* ema = keep*ema + (1-keep)*p */
};

/* name: "auto" (the best this CPU has), "ref", "openblas" (ref with OpenBLAS products), "avx2", "avx512".
 * ERR_CONFIG: unknown name, or an instruction set that this CPU lacks. ERR_INTERNAL: libopenblas cannot be loaded.
 * Call once, before threads are started: the OpenBLAS core type is set through the environment. */
MUST_CHECK bool kernels_select(const char *name, struct kernels *out, struct error *e);

void kernels_ref(struct kernels *k); /* fills every slot */

#endif
