/* The one table through which the engine computes. Every set fills every slot from the same source, compiled for its
 * instruction set (src/nn/kernels/): ref is that source in plain C, one lane after another. All sets but openblas give the
 * same bits. A GPU would be one more file that fills the same table.
 *
 * Activations lie in blocks of 16 channels (nn/tensor.h): a "pixel" is the 16 reals of one block at one place, and a
 * lane is a channel. So a sum over pixels is 16 sums, each in the order of the pixels, whatever the vector width.
 * Kernels never allocate, log or fail. */
#ifndef NN_KERNELS_H
#define NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "nn/param.h"

#define LANES 16          /* channels in a block */
#define WINOGRAD_TILE 4   /* outputs per side of a tile of F(4x4, 3x3) */
#define WINOGRAD_INPUT 6  /* inputs per side */
#define WINOGRAD_POINTS 36 /* products per tile and pair of channels, instead of 16 x 9 */

/* A run of output pixels: out[p][lane] (+)= sum over o < n_offsets, i < run of x[p*x_pixel + offsets[o] + i] *
 * w[(o*run + i)*16 + lane], accumulated in that order with fused multiply-adds. Direct convolution (an offset per tap
 * and channel block) and Winograd's products (an offset per channel block) are both of this form. */
struct product {
    const real *x;
    ptrdiff_t x_pixel; /* elements from one output pixel's input to the next one's */
    const int *offsets;
    int n_offsets, run;
    const real *w;
    real *out;
    ptrdiff_t out_pixel;
    bool is_added; /* out is read, else overwritten */
};

/* dw[i*16 + lane] += sum over rows and pixels of x[r*x_row + p*x_pixel + i] * dy[r*dy_row + p*16 + lane], i < run, in
 * the order of rows and pixels. */
struct outer {
    const real *x;
    ptrdiff_t x_pixel, x_row;
    const real *dy;
    ptrdiff_t dy_row;
    int n_pixels, n_rows, run;
    real *dw;
};

/* One channel block of one tile. Rows and columns from `rows`, `cols` on lie outside the map: read as zero, not
 * written. */
struct tile {
    real *p; /* its first pixel */
    ptrdiff_t row;
    int rows, cols;
};

struct adamw_step {
    real lr, beta1, beta2, eps, decay; /* decay is decoupled: p -= lr * decay * p */
    real correction1, correction2;     /* 1 - beta^t */
    real grad_scale;                   /* gradient clipping factor */
};

struct kernels {
    const char *name;
    bool is_direct; /* the user's choice: 3x3 convolutions without Winograd */

    void (*product)(const struct product *a, int n_pixels);
    void (*outer)(const struct outer *a);

    /* F(4x4, 3x3) of Lavin and Gray (2016) with points 0, +-1, +-2. Point f of a tile lies at points + f*stride. */
    void (*winograd_input)(const struct tile *x, real *points, size_t stride);         /* B' d B, 6x6 -> 36 */
    void (*winograd_output)(const real *points, size_t stride, const struct tile *y, bool is_added); /* A' m A */
    void (*winograd_output_grad)(const struct tile *dy, real *points, size_t stride);  /* A dy A', 4x4 -> 36 */
    /* n pixels (rows of a 16x16 block); taps are 9 blocks of n pixels. */
    void (*winograd_weight)(const real *taps, int n, real *points, size_t stride);      /* G g G' */
    void (*winograd_weight_grad)(const real *points, size_t stride, int n, real *taps); /* += G' s G */

    /* Rows of n pixels of one channel block; the 16 values of a channel's coefficient lie in an array. */
    /* mean and sum of squared differences from it, per lane, over n_rows rows `row` apart. */
    void (*stats)(const real *z, ptrdiff_t row, int n, int n_rows, double mean[LANES], double m2[LANES]);
    /* out = silu(scale*z + shift) + residual; residual may be NULL; out may be z. silu(y) = y * sigmoid(y). */
    void (*bn_silu)(const real *z, int n, const real *scale, const real *shift, const real *residual, real *out);
    /* d: in dL/d out, out dy = d * silu'(scale*z + shift). Adds sum dy and sum dy * (z - mean). */
    void (*silu_grad)(const real *z, real *d, int n, const real *scale, const real *shift, const real *mean,
                      double sum_dy[LANES], double sum_dyz[LANES]);
    /* d = a*d + b*(z - mean) + c: the rest of BatchNorm's gradient. */
    void (*bn_grad)(const real *z, real *d, int n, const real *mean, const real *a, const real *b, const real *c);
    void (*add_lanes)(real *p, int n, const real *value);            /* p += value */
    void (*sum_lanes)(const real *p, int n, double total[LANES]);    /* adds */
    void (*upsample)(const real *x, int n, real *y0, real *y1);      /* a row to two rows of 2n */
    void (*upsample_grad)(const real *dy0, const real *dy1, int n, real *dx, bool is_added);
    /* best = the larger of best and x; place becomes tag where x wins, which it does not on a tie; NaN wins for good. */
    void (*max_lanes)(real *best, uint8_t *place, const real *x, int n, uint8_t tag);
    void (*max_lanes_grad)(const real *dy, const uint8_t *place, int n, uint8_t tag, real *dx); /* dx += dy where won */

    /* Flat arrays. Sums come back in double and depend on n alone. */
    void (*add)(real *dst, const real *src, size_t n); /* dst += src */
    double (*sum_squares)(const real *p, size_t n);
    void (*sigmoid)(const real *x, real *out, size_t n); /* out may be x */
    void (*adamw)(const struct adamw_step *s, size_t n, const real *grad, real *p, real *m, real *v);
    /* Nesterov SGD: g += decay*p; m = momentum*m + g; p -= lr*(g + momentum*m). */
    void (*sgd)(size_t n, real lr, real momentum, real decay, real grad_scale, const real *grad, real *p, real *m);
    void (*ema)(size_t n, real keep, const real *p, real *ema); /* ema = keep*ema + (1-keep)*p */
};

/* name: "auto" (the best this CPU has), "ref", "openblas" (products by OpenBLAS), "avx2", "avx512".
 * ERR_CONFIG: unknown name, or an instruction set that this CPU lacks. ERR_INTERNAL: libopenblas cannot be loaded.
 * Call once, before threads are started: the OpenBLAS core type is set through the environment. */
MUST_CHECK bool kernels_select(const char *name, struct kernels *out, struct error *e);

void kernels_ref(struct kernels *k);

#endif
