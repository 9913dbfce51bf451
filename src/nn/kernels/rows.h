/* Rows of pixels of one channel block. */
#ifndef NN_KERNELS_ROWS_H
#define NN_KERNELS_ROWS_H

#include "nn/kernels/vec.h"

INLINE void add_to_double(double total[LANES], vec x)
{
    real lane[LANES];
    v_store(lane, x);
    for (int i = 0; i < LANES; i++)
        total[i] += (double)lane[i];
}

/* Differences from the first pixel, so that a mean far from zero does not swallow the variance; a row is summed in real,
 * rows are added in double. */
static void stats(const real *z, ptrdiff_t row, int n, int n_rows, double mean[LANES], double m2[LANES])
{
    vec pivot = v_load(z);
    real start[LANES];
    double sum[LANES] = {0}, squares[LANES] = {0}, count = (double)n * n_rows;
    for (int r = 0; r < n_rows; r++) {
        const real *p = z + r * row;
        vec s0 = v_zero(), q0 = v_zero(), s1 = v_zero(), q1 = v_zero();
        int i = 0;
        for (; i + 1 < n; i += 2) {
            vec d0 = v_sub(v_load(p + i * LANES), pivot), d1 = v_sub(v_load(p + (i + 1) * LANES), pivot);
            s0 = v_add(s0, d0);
            q0 = v_fma(d0, d0, q0);
            s1 = v_add(s1, d1);
            q1 = v_fma(d1, d1, q1);
        }
        if (i < n) {
            vec d0 = v_sub(v_load(p + i * LANES), pivot);
            s0 = v_add(s0, d0);
            q0 = v_fma(d0, d0, q0);
        }
        add_to_double(sum, v_add(s0, s1));
        add_to_double(squares, v_add(q0, q1));
    }
    v_store(start, pivot);
    for (int i = 0; i < LANES; i++) {
        mean[i] = (double)start[i] + sum[i] / count;
        m2[i] = squares[i] - sum[i] * sum[i] / count;
        m2[i] = m2[i] < 0 ? 0 : m2[i];
    }
}

static void bn_silu(const real *z, int n, const real *scale, const real *shift, const real *residual, real *out)
{
    vec a = v_load(scale), b = v_load(shift);
    for (int i = 0; i < n * LANES; i += LANES) {
        vec y = v_fma(a, v_load(z + i), b);
        y = v_mul(y, v_sigmoid(y));
        v_store(out + i, residual ? v_add(y, v_load(residual + i)) : y);
    }
}

static void silu_grad(const real *z, real *d, int n, const real *scale, const real *shift, const real *mean,
                      double sum_dy[LANES], double sum_dyz[LANES])
{
    vec a = v_load(scale), b = v_load(shift), centre = v_load(mean), one = v_splat(1);
    vec total = v_zero(), total_z = v_zero();
    for (int i = 0; i < n * LANES; i += LANES) {
        vec x = v_load(z + i), y = v_fma(a, x, b), s = v_sigmoid(y);
        vec dy = v_mul(v_load(d + i), v_mul(s, v_fma(y, v_sub(one, s), one)));
        v_store(d + i, dy);
        total = v_add(total, dy);
        total_z = v_fma(dy, v_sub(x, centre), total_z);
    }
    add_to_double(sum_dy, total);
    add_to_double(sum_dyz, total_z);
}

static void bn_grad(const real *z, real *d, int n, const real *mean, const real *a, const real *b, const real *c)
{
    vec va = v_load(a), vb = v_load(b), vc = v_load(c), centre = v_load(mean);
    for (int i = 0; i < n * LANES; i += LANES)
        v_store(d + i, v_fma(va, v_load(d + i), v_fma(vb, v_sub(v_load(z + i), centre), vc)));
}

static void add_lanes(real *p, int n, const real *value)
{
    vec v = v_load(value);
    for (int i = 0; i < n * LANES; i += LANES)
        v_store(p + i, v_add(v_load(p + i), v));
}

static void sum_lanes(const real *p, int n, double total[LANES])
{
    vec s = v_zero();
    for (int i = 0; i < n * LANES; i += LANES)
        s = v_add(s, v_load(p + i));
    add_to_double(total, s);
}

static void upsample(const real *x, int n, real *y0, real *y1)
{
    for (int i = 0; i < n * LANES; i += LANES) {
        vec v = v_load(x + i);
        v_store(y0 + 2 * i, v);
        v_store(y0 + 2 * i + LANES, v);
        v_store(y1 + 2 * i, v);
        v_store(y1 + 2 * i + LANES, v);
    }
}

static void upsample_grad(const real *dy0, const real *dy1, int n, real *dx, bool is_added)
{
    for (int i = 0; i < n * LANES; i += LANES) {
        vec top = v_add(v_load(dy0 + 2 * i), v_load(dy0 + 2 * i + LANES));
        vec bottom = v_add(v_load(dy1 + 2 * i), v_load(dy1 + 2 * i + LANES));
        vec total = v_add(top, bottom);
        v_store(dx + i, is_added ? v_add(v_load(dx + i), total) : total);
    }
}

static void max_lanes(real *best, uint8_t *place, const real *x, int n, uint8_t tag)
{
    for (int i = 0; i < n * LANES; i++) {
        bool wins = x[i] > best[i] || x[i] != x[i];
        best[i] = wins ? x[i] : best[i];
        place[i] = wins ? tag : place[i];
    }
}

static void max_lanes_grad(const real *dy, const uint8_t *place, int n, uint8_t tag, real *dx)
{
    for (int i = 0; i < n * LANES; i++)
        dx[i] += place[i] == tag ? dy[i] : 0;
}

#endif
