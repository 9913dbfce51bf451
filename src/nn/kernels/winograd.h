/* The tile transforms of Winograd's F(4x4, 3x3), one channel block at a time (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2016), with the points 0, 1, -1, 2, -2 and infinity:
 *
 *        4  0 -5  0  1  0         1/4    0     0          1  1  1  1  1  0
 *        0 -4 -4  1  1  0        -1/6  -1/6  -1/6         0  1 -1  2 -2  0
 *   B' = 0  4 -4 -1  1  0    G = -1/6   1/6  -1/6    A' = 0  1  1  4  4  0
 *        0 -2 -1  2  1  0         1/24  1/12  1/6         0  1 -1  8 -8  1
 *        0  2 -1 -2  1  0         1/24 -1/12  1/6
 *        0  4  0 -5  0  1          0     0     1
 *
 * y = A' [(G g G') * (B' d B)] A; the gradients are the transposes: dg = G' [(A dy A') * (B' d B)] G. */
#ifndef NN_KERNELS_WINOGRAD_H
#define NN_KERNELS_WINOGRAD_H

#include "nn/kernels/vec.h"

#define TILE WINOGRAD_TILE
#define PATCH WINOGRAD_INPUT

/* Six values to six; the sums are shared between the rows that differ in signs only. */
INLINE void input_line(const vec d[PATCH], vec out[PATCH])
{
    const vec four = v_splat(4), five = v_splat(5), two = v_splat(2);
    vec even = v_fnma(four, d[2], d[4]), odd = v_fnma(four, d[1], d[3]);
    vec even2 = v_sub(d[4], d[2]), odd2 = v_mul(two, v_sub(d[3], d[1]));
    out[0] = v_fma(four, d[0], v_fnma(five, d[2], d[4]));
    out[1] = v_add(even, odd);
    out[2] = v_sub(even, odd);
    out[3] = v_add(even2, odd2);
    out[4] = v_sub(even2, odd2);
    out[5] = v_fma(four, d[1], v_fnma(five, d[3], d[5]));
}

INLINE void output_line(const vec m[PATCH], vec out[TILE])
{
    vec sum1 = v_add(m[1], m[2]), diff1 = v_sub(m[1], m[2]), sum2 = v_add(m[3], m[4]), diff2 = v_sub(m[3], m[4]);
    out[0] = v_add(v_add(m[0], sum1), sum2);
    out[1] = v_fma(v_splat(2), diff2, diff1);
    out[2] = v_fma(v_splat(4), sum2, sum1);
    out[3] = v_add(v_fma(v_splat(8), diff2, diff1), m[5]);
}

/* A: four values to six. */
INLINE void output_grad_line(const vec y[TILE], vec out[PATCH])
{
    vec even1 = v_add(y[0], y[2]), odd1 = v_add(y[1], y[3]);
    vec even2 = v_fma(v_splat(4), y[2], y[0]), odd2 = v_mul(v_splat(2), v_fma(v_splat(4), y[3], y[1]));
    out[0] = y[0];
    out[1] = v_add(even1, odd1);
    out[2] = v_sub(even1, odd1);
    out[3] = v_add(even2, odd2);
    out[4] = v_sub(even2, odd2);
    out[5] = y[3];
}

INLINE void weight_line(const vec g[3], vec out[PATCH])
{
    const vec sixth = v_splat((real)(1.0 / 6)), part = v_splat((real)(1.0 / 24)), half = v_splat((real)(1.0 / 12));
    vec ends = v_mul(sixth, v_add(g[0], g[2])), middle = v_mul(sixth, g[1]);
    vec far = v_fma(part, g[0], v_mul(sixth, g[2])), far_middle = v_mul(half, g[1]);
    out[0] = v_mul(v_splat((real)0.25), g[0]);
    out[1] = v_sub(v_zero(), v_add(ends, middle));
    out[2] = v_sub(middle, ends);
    out[3] = v_add(far, far_middle);
    out[4] = v_sub(far, far_middle);
    out[5] = g[2];
}

/* G': six values to three. */
INLINE void weight_grad_line(const vec s[PATCH], vec out[3])
{
    const vec sixth = v_splat((real)(1.0 / 6)), part = v_splat((real)(1.0 / 24)), half = v_splat((real)(1.0 / 12));
    vec near_sum = v_add(s[1], s[2]), far_sum = v_add(s[3], s[4]);
    out[0] = v_fma(v_splat((real)0.25), s[0], v_fnma(sixth, near_sum, v_mul(part, far_sum)));
    out[1] = v_fma(half, v_sub(s[3], s[4]), v_mul(sixth, v_sub(s[2], s[1])));
    out[2] = v_add(v_mul(sixth, v_sub(far_sum, near_sum)), s[5]);
}

/* A tile that reaches over the border is copied, with zeros beyond. */
static void copy_inside(const struct tile *t, int side, real *out)
{
    memset(out, 0, (size_t)(side * side * LANES) * sizeof *out);
    for (int r = 0; r < t->rows; r++)
        memcpy(out + r * side * LANES, t->p + r * t->row, (size_t)(t->cols * LANES) * sizeof *out);
}

static void winograd_input(const struct tile *t, real *points, size_t stride)
{
    real inside[PATCH * PATCH * LANES];
    const real *p = t->p;
    ptrdiff_t row = t->row;
    if (t->rows < PATCH || t->cols < PATCH) {
        copy_inside(t, PATCH, inside);
        p = inside;
        row = PATCH * LANES;
    }
    vec half[PATCH][PATCH]; /* B' d: one column of the patch at a time */
    for (int c = 0; c < PATCH; c++) {
        vec d[PATCH], out[PATCH];
        for (int r = 0; r < PATCH; r++)
            d[r] = v_load(p + r * row + c * LANES);
        input_line(d, out);
        for (int r = 0; r < PATCH; r++)
            half[r][c] = out[r];
    }
    for (int r = 0; r < PATCH; r++) {
        vec out[PATCH];
        input_line(half[r], out);
        for (int c = 0; c < PATCH; c++)
            v_store(points + (size_t)(r * PATCH + c) * stride, out[c]);
    }
}

/* The last lines of A' m A into the map. All bounds are constants of the call where they can be: a run-time index would push
 * the values out of registers. */
INLINE void store_tile(const vec half[TILE][PATCH], const struct tile *t, const int rows, const int cols,
                       const bool is_added)
{
    UNROLL
    for (int r = 0; r < rows; r++) {
        vec out[TILE];
        real *y = t->p + r * t->row;
        output_line(half[r], out);
        UNROLL
        for (int c = 0; c < cols; c++) {
            if (is_added)
                out[c] = v_add(v_load(y + c * LANES), out[c]);
            v_store(y + c * LANES, out[c]);
        }
    }
}

static void winograd_output(const real *points, size_t stride, const struct tile *t, bool is_added)
{
    vec half[TILE][PATCH];
    UNROLL
    for (int c = 0; c < PATCH; c++) {
        vec m[PATCH], out[TILE];
        for (int r = 0; r < PATCH; r++)
            m[r] = v_load(points + (size_t)(r * PATCH + c) * stride);
        output_line(m, out);
        for (int r = 0; r < TILE; r++)
            half[r][c] = out[r];
    }
    bool is_whole = t->rows == TILE && t->cols == TILE;
    if (is_whole && is_added)
        store_tile(half, t, TILE, TILE, true);
    else if (is_whole)
        store_tile(half, t, TILE, TILE, false);
    else
        store_tile(half, t, t->rows, t->cols, is_added);
}

static void winograd_output_grad(const struct tile *t, real *points, size_t stride)
{
    real inside[TILE * TILE * LANES];
    const real *p = t->p;
    ptrdiff_t row = t->row;
    if (t->rows < TILE || t->cols < TILE) {
        copy_inside(t, TILE, inside);
        p = inside;
        row = TILE * LANES;
    }
    vec half[PATCH][TILE];
    for (int c = 0; c < TILE; c++) {
        vec y[TILE], out[PATCH];
        for (int r = 0; r < TILE; r++)
            y[r] = v_load(p + r * row + c * LANES);
        output_grad_line(y, out);
        for (int r = 0; r < PATCH; r++)
            half[r][c] = out[r];
    }
    for (int r = 0; r < PATCH; r++) {
        vec out[PATCH];
        output_grad_line(half[r], out);
        for (int c = 0; c < PATCH; c++)
            v_store(points + (size_t)(r * PATCH + c) * stride, out[c]);
    }
}

static void winograd_weight(const real *taps, int n, real *points, size_t stride)
{
    for (int p = 0; p < n; p++) {
        vec half[PATCH][3];
        for (int c = 0; c < 3; c++) {
            vec g[3], out[PATCH];
            for (int r = 0; r < 3; r++)
                g[r] = v_load(taps + ((r * 3 + c) * n + p) * LANES);
            weight_line(g, out);
            for (int r = 0; r < PATCH; r++)
                half[r][c] = out[r];
        }
        for (int r = 0; r < PATCH; r++) {
            vec out[PATCH];
            weight_line(half[r], out);
            for (int c = 0; c < PATCH; c++)
                v_store(points + (size_t)(r * PATCH + c) * stride + (size_t)(p * LANES), out[c]);
        }
    }
}

static void winograd_weight_grad(const real *points, size_t stride, int n, real *taps)
{
    for (int p = 0; p < n; p++) {
        vec half[3][PATCH];
        for (int c = 0; c < PATCH; c++) {
            vec s[PATCH], out[3];
            for (int r = 0; r < PATCH; r++)
                s[r] = v_load(points + (size_t)(r * PATCH + c) * stride + (size_t)(p * LANES));
            weight_grad_line(s, out);
            for (int r = 0; r < 3; r++)
                half[r][c] = out[r];
        }
        for (int r = 0; r < 3; r++) {
            vec out[3];
            weight_grad_line(half[r], out);
            for (int c = 0; c < 3; c++) {
                real *at = taps + ((r * 3 + c) * n + p) * LANES;
                v_store(at, v_add(v_load(at), out[c]));
            }
        }
    }
}

#endif
