/* The two forms in which nearly all arithmetic of training is done; see nn/kernels.h for what they compute.
 *
 * Both hold as many accumulators in registers as the instruction set has room for. How many changes nothing about the
 * order in which one output is summed. Runs that do not divide evenly are cut into nearly equal parts (20 pixels on AVX2:
 * 5, 5, 5, 5 rather than 6, 6, 6, 2). */
#ifndef NN_KERNELS_PRODUCT_H
#define NN_KERNELS_PRODUCT_H

#include "nn/kernels/vec.h"

#define PIXELS_AT_ONCE (VEC_ACCUMULATORS < 12 ? VEC_ACCUMULATORS : 12)
#define ROWS_AT_ONCE VEC_ACCUMULATORS

INLINE void product_of(const int n, const struct product *a, const real *x, real *out)
{
    vec sum[16];
    UNROLL
    for (int p = 0; p < n; p++)
        sum[p] = a->is_added ? v_load(out + p * a->out_pixel) : v_zero();
    const real *w = a->w;
    for (int o = 0; o < a->n_offsets; o++) {
        const real *at = x + a->offsets[o];
        for (int i = 0; i < a->run; i++, w += LANES) {
            vec weight = v_load(w);
            UNROLL
            for (int p = 0; p < n; p++)
                sum[p] = v_fma(v_splat(at[p * a->x_pixel + i]), weight, sum[p]);
        }
    }
    UNROLL
    for (int p = 0; p < n; p++)
        v_store(out + p * a->out_pixel, sum[p]);
}

static void product(const struct product *a, int n_pixels)
{
    const real *x = a->x;
    real *out = a->out;
    for (int parts = (n_pixels + PIXELS_AT_ONCE - 1) / PIXELS_AT_ONCE; parts > 0; parts--) {
        int n = (n_pixels + parts - 1) / parts;
#define CASE(N)                                                                                              \
    case N:                                                                                                  \
        product_of(N, a, x, out);                                                                            \
        break;
        switch (n) {
            CASE(1) CASE(2) CASE(3) CASE(4)
#if VEC_ACCUMULATORS > 4
            CASE(5) CASE(6)
#endif
#if VEC_ACCUMULATORS > 6
            CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
        }
#undef CASE
        x += n * a->x_pixel;
        out += n * a->out_pixel;
        n_pixels -= n;
    }
}

INLINE void outer_of(const int n, const struct outer *a, int first)
{
    vec sum[16];
    real *dw = a->dw + first * LANES;
    UNROLL
    for (int i = 0; i < n; i++)
        sum[i] = v_load(dw + i * LANES);
    for (int r = 0; r < a->n_rows; r++) {
        const real *x = a->x + r * a->x_row + first, *dy = a->dy + r * a->dy_row;
        for (int p = 0; p < a->n_pixels; p++, x += a->x_pixel, dy += LANES) {
            vec d = v_load(dy);
            UNROLL
            for (int i = 0; i < n; i++)
                sum[i] = v_fma(v_splat(x[i]), d, sum[i]);
        }
    }
    UNROLL
    for (int i = 0; i < n; i++)
        v_store(dw + i * LANES, sum[i]);
}

static void outer(const struct outer *a)
{
    int left = a->run, first = 0;
    for (int parts = (left + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE; parts > 0; parts--) {
        int n = (left + parts - 1) / parts;
#define CASE(N)                                                                                              \
    case N:                                                                                                  \
        outer_of(N, a, first);                                                                               \
        break;
        switch (n) {
            CASE(1) CASE(2) CASE(3) CASE(4)
#if VEC_ACCUMULATORS > 4
            CASE(5) CASE(6)
#endif
#if VEC_ACCUMULATORS > 6
            CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#endif
        }
#undef CASE
        first += n;
        left -= n;
    }
}

#endif
