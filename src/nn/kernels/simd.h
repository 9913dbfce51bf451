/* Element-wise kernels on vectors of 16 floats, compiled once per instruction set (two registers on AVX2, one on
 * AVX-512). Both builds do the same operations on the same lanes in the same order, without contraction, so they give
 * the same bits. Included by simd_*.c only. */
#include "nn/kernels/kernel_sets.h"

#include <string.h>

#define LANES 16
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef float vf_unaligned __attribute__((vector_size(64), aligned(4), may_alias));

static inline vf load(const float *p)
{
    return *(const vf_unaligned *)p;
}

static inline void store(float *p, vf x)
{
    *(vf_unaligned *)p = x;
}

static inline vf load_part(const float *p, size_t n)
{
    float t[LANES] = {0};
    memcpy(t, p, n * sizeof *p);
    return load(t);
}

static inline void store_part(float *p, vf x, size_t n)
{
    float t[LANES];
    store(t, x);
    memcpy(p, t, n * sizeof *p);
}

static inline vf splat(float x)
{
    return x - (vf){0};
}

static inline vf choose(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

/* exp(x) for |x| <= 87: 2^n * p(r), r = x - n ln2 in two parts, p the degree-6 Taylor-like minimax of Cephes' expf. */
static inline vf exp_v(vf x)
{
    const vf low = splat(-87.0f), high = splat(87.0f), magic = splat(12582912.0f);
    x = choose(x < low, low, x);
    x = choose(x > high, high, x);
    vf t = x * 1.44269504f + magic;
    vi n = (vi)t - (vi)magic;
    vf fn = t - magic;
    vf r = x - fn * 0.693359375f;
    r = r - fn * -2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * (vf)((n + 127) << 23);
}

static inline vf sigmoid_v(vf x)
{
    return 1.0f / (1.0f + exp_v(-x));
}

/* Sums: 16 lanes of float over at most BLOCK elements, then double. NaN and infinity stay visible. */
#define BLOCK 1024

static double lanes_sum(vf x)
{
    float t[LANES];
    store(t, x);
    double total = 0;
    for (int i = 0; i < LANES; i++)
        total += (double)t[i];
    return total;
}

static double sum(const float *p, size_t n)
{
    double total = 0;
    for (size_t b = 0; b < n; b += BLOCK) {
        size_t end = n - b < BLOCK ? n : b + BLOCK, i = b;
        vf acc = {0};
        for (; i + LANES <= end; i += LANES)
            acc += load(p + i);
        if (i < end)
            acc += load_part(p + i, end - i);
        total += lanes_sum(acc);
    }
    return total;
}

static double sum_squares_from(const float *p, size_t n, float centre)
{
    double total = 0;
    for (size_t b = 0; b < n; b += BLOCK) {
        size_t end = n - b < BLOCK ? n : b + BLOCK, i = b;
        vf acc = {0};
        for (; i + LANES <= end; i += LANES) {
            vf d = load(p + i) - centre;
            acc += d * d;
        }
        total += lanes_sum(acc);
        for (; i < end; i++)
            total += (double)(p[i] - centre) * (double)(p[i] - centre);
    }
    return total;
}

static double sum_squares(const float *p, size_t n)
{
    return sum_squares_from(p, n, 0);
}

static void plane_stats(const float *z, size_t n, double *mean, double *m2)
{
    *mean = sum(z, n) / (double)n;
    float centre = (float)*mean;
    double off = *mean - (double)centre; /* the centre was rounded: shift the second moment back */
    *m2 = sum_squares_from(z, n, centre) - (double)n * off * off;
}

static inline vf silu_of(vf z, float scale, float shift)
{
    vf y = z * scale + shift;
    return y * sigmoid_v(y);
}

static void bn_silu(const float *z, size_t n, float scale, float shift, const float *residual, float *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf a = silu_of(load(z + i), scale, shift);
        store(out + i, residual ? a + load(residual + i) : a);
    }
    if (i < n) {
        vf a = silu_of(load_part(z + i, n - i), scale, shift);
        store_part(out + i, residual ? a + load_part(residual + i, n - i) : a, n - i);
    }
}

static inline vf silu_grad_of(vf z, vf d, float scale, float shift)
{
    vf y = z * scale + shift, s = sigmoid_v(y);
    return d * (s * (1.0f + y * (1.0f - s)));
}

static void silu_grad(const float *z, float *d, size_t n, float scale, float shift, float mean, double *sum_dy,
                      double *sum_dyz)
{
    double total = 0, total_z = 0;
    for (size_t b = 0; b < n; b += BLOCK) {
        size_t end = n - b < BLOCK ? n : b + BLOCK, i = b;
        vf acc = {0}, acc_z = {0};
        for (; i + LANES <= end; i += LANES) {
            vf zz = load(z + i), dy = silu_grad_of(zz, load(d + i), scale, shift);
            store(d + i, dy);
            acc += dy;
            acc_z += dy * (zz - mean);
        }
        if (i < end) { /* d is 0 in the missing lanes, and so is dy */
            vf zz = load_part(z + i, end - i), dy = silu_grad_of(zz, load_part(d + i, end - i), scale, shift);
            store_part(d + i, dy, end - i);
            acc += dy;
            acc_z += dy * (zz - mean);
        }
        total += lanes_sum(acc);
        total_z += lanes_sum(acc_z);
    }
    *sum_dy = total;
    *sum_dyz = total_z;
}

static void bn_grad(const float *z, float *d, size_t n, float mean, float a, float b, float c)
{
    for (size_t i = 0; i < n; i++)
        d[i] = a * d[i] + b * (z[i] - mean) + c;
}

static void add(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] += src[i];
}

static void add_scalar(float *p, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        p[i] += value;
}

static void sigmoid(const float *x, float *out, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, sigmoid_v(load(x + i)));
    if (i < n)
        store_part(out + i, sigmoid_v(load_part(x + i, n - i)), n - i);
}

static void adamw(const struct adamw_step *s, size_t n, const float *restrict grad, float *restrict p,
                  float *restrict m, float *restrict v)
{
    float root = __builtin_sqrtf(s->correction2), step = s->lr / s->correction1, shrink = s->lr * s->decay;
    float b1 = 1 - s->beta1, b2 = 1 - s->beta2;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * s->grad_scale;
        float q = p[i] - shrink * p[i];
        m[i] += b1 * (g - m[i]);
        v[i] = s->beta2 * v[i] + b2 * g * g;
        p[i] = q - step * (m[i] / (__builtin_sqrtf(v[i]) / root + s->eps));
    }
}

static void ema(size_t n, float keep, const float *restrict p, float *restrict average)
{
    float rest = 1 - keep;
    for (size_t i = 0; i < n; i++)
        average[i] = keep * average[i] + rest * p[i];
}

/* Output columns [first, last) read input column ox*stride + shift inside the image. */
static inline void columns_inside(const struct conv_shape *s, int shift, int *first, int *last)
{
    *first = shift < 0 ? (-shift + s->stride - 1) / s->stride : 0;
    *last = s->iw - 1 < shift ? 0 : (s->iw - 1 - shift) / s->stride + 1;
    *last = *last > s->ow ? s->ow : *last < *first ? *first : *last;
}

/* One row of one tap: a shifted (strided) copy with zero borders. */
static inline void im2col_row(const struct conv_shape *s, const float *x, int shift, float *col)
{
    int first, last, ow = s->ow, stride = s->stride;
    columns_inside(s, shift, &first, &last);
    for (int ox = 0; ox < first; ox++)
        col[ox] = 0;
    if (stride == 1)
        memcpy(col + first, x + first + shift, (size_t)(last - first) * sizeof *col);
    else
        for (int ox = first; ox < last; ox++)
            col[ox] = x[ox * stride + shift];
    for (int ox = last; ox < ow; ox++)
        col[ox] = 0;
}

static void im2col(const struct conv_shape *s, const float *x, int row0, int n_rows, float *col)
{
    int pad = s->k / 2;
    for (int ci = 0; ci < s->ci; ci++)
        for (int ky = 0; ky < s->k; ky++)
            for (int kx = 0; kx < s->k; kx++)
                for (int r = 0; r < n_rows; r++, col += s->ow) {
                    int y = (row0 + r) * s->stride + ky - pad;
                    if (y < 0 || y >= s->ih)
                        memset(col, 0, (size_t)s->ow * sizeof *col);
                    else
                        im2col_row(s, x + ((size_t)ci * s->ih + y) * s->iw, kx - pad, col);
                }
}

static void col2im(const struct conv_shape *s, const float *col, int row0, int n_rows, float *dx)
{
    int pad = s->k / 2;
    for (int ci = 0; ci < s->ci; ci++)
        for (int ky = 0; ky < s->k; ky++)
            for (int kx = 0; kx < s->k; kx++)
                for (int r = 0; r < n_rows; r++, col += s->ow) {
                    int y = (row0 + r) * s->stride + ky - pad, shift = kx - pad;
                    if (y < 0 || y >= s->ih)
                        continue;
                    float *row = dx + ((size_t)ci * s->ih + y) * s->iw;
                    int first, last;
                    columns_inside(s, shift, &first, &last);
                    if (s->stride == 1)
                        add(row + first + shift, col + first, (size_t)(last - first));
                    else
                        for (int ox = first; ox < last; ox++)
                            row[ox * s->stride + shift] += col[ox];
                }
}

void SIMD_INIT(struct kernels *k)
{
    k->im2col = im2col;
    k->col2im = col2im;
    k->plane_stats = plane_stats;
    k->bn_silu = bn_silu;
    k->silu_grad = silu_grad;
    k->bn_grad = bn_grad;
    k->add = add;
    k->sum = sum;
    k->sum_squares = sum_squares;
    k->sigmoid = sigmoid;
    k->add_scalar = add_scalar;
    k->adamw = adamw;
    k->ema = ema;
}
