/* Flat arrays: optimizer, average, sums. A rest shorter than a vector goes through the same operations, padded with
 * zeros. */
#ifndef NN_KERNELS_FLAT_H
#define NN_KERNELS_FLAT_H

#include "nn/kernels/rows.h"

INLINE vec load_part(const real *p, size_t n)
{
    real t[LANES] = {0};
    memcpy(t, p, n * sizeof *p);
    return v_load(t);
}

INLINE void store_part(real *p, vec x, size_t n)
{
    real t[LANES];
    v_store(t, x);
    memcpy(p, t, n * sizeof *p);
}

static void add(real *dst, const real *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] += src[i];
}

#define SUM_BLOCK 1024 /* elements summed in real before they go to double */

static double sum_squares(const real *p, size_t n)
{
    double total[LANES] = {0}, whole = 0;
    for (size_t b = 0; b < n; b += SUM_BLOCK) {
        size_t end = n - b < SUM_BLOCK ? n : b + SUM_BLOCK, i = b;
        vec s = v_zero();
        for (; i + LANES <= end; i += LANES) {
            vec x = v_load(p + i);
            s = v_fma(x, x, s);
        }
        if (i < end) {
            vec x = load_part(p + i, end - i);
            s = v_fma(x, x, s);
        }
        add_to_double(total, s);
    }
    for (int i = 0; i < LANES; i++)
        whole += total[i];
    return whole;
}

static void sigmoid(const real *x, real *out, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(out + i, v_sigmoid(v_load(x + i)));
    if (i < n)
        store_part(out + i, v_sigmoid(load_part(x + i, n - i)), n - i);
}

/* Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, in the order of operations of PyTorch. Plain C:
 * without contraction the compiler's vectors do the same operations, square root and division included. */
static void adamw(const struct adamw_step *s, size_t n, const real *restrict grad, real *restrict p, real *restrict m,
                  real *restrict v)
{
#ifdef REAL_IS_DOUBLE
#define ROOT sqrt
#else
#define ROOT sqrtf
#endif
    real root = ROOT(s->correction2), step = s->lr / s->correction1, shrink = s->lr * s->decay;
    real b1 = 1 - s->beta1, b2 = 1 - s->beta2;
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * s->grad_scale, q = p[i] - shrink * p[i];
        m[i] += b1 * (g - m[i]);
        v[i] = s->beta2 * v[i] + b2 * g * g;
        p[i] = q - step * (m[i] / (ROOT(v[i]) / root + s->eps));
    }
#undef ROOT
}

static void sgd(size_t n, real lr, real momentum, real decay, real grad_scale, const real *restrict grad,
                real *restrict p, real *restrict m)
{
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * grad_scale + decay * p[i];
        m[i] = momentum * m[i] + g;
        p[i] -= lr * (g + momentum * m[i]);
    }
}

static void ema(size_t n, real keep, const real *restrict p, real *restrict average)
{
    real rest = 1 - keep;
    for (size_t i = 0; i < n; i++)
        average[i] = keep * average[i] + rest * p[i];
}

#endif
