/* The specification of every kernel: obvious loops, never optimised. */
#include "nn/kernels.h"

#include <math.h>
#include <string.h>

static void gemm(bool ta, bool tb, int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
                 real *c, int ldc)
{
    for (int i = 0; i < m; i++) {
        real *row = c + (size_t)i * ldc;
        if (beta == 0)
            memset(row, 0, (size_t)n * sizeof *row);
        for (int l = 0; l < k; l++) {
            real x = ta ? a[(size_t)l * lda + i] : a[(size_t)i * lda + l];
            for (int j = 0; j < n; j++)
                row[j] += x * (tb ? b[(size_t)j * ldb + l] : b[(size_t)l * ldb + j]);
        }
    }
}

static void im2col(const struct conv_shape *s, const real *x, int row0, int n_rows, real *col)
{
    int pad = s->k / 2;
    for (int ci = 0; ci < s->ci; ci++)
        for (int ky = 0; ky < s->k; ky++)
            for (int kx = 0; kx < s->k; kx++)
                for (int r = 0; r < n_rows; r++)
                    for (int ox = 0; ox < s->ow; ox++) {
                        int y = (row0 + r) * s->stride + ky - pad, xx = ox * s->stride + kx - pad;
                        bool inside = y >= 0 && y < s->ih && xx >= 0 && xx < s->iw;
                        *col++ = inside ? x[((size_t)ci * s->ih + y) * s->iw + xx] : 0;
                    }
}

static void col2im(const struct conv_shape *s, const real *col, int row0, int n_rows, real *dx)
{
    int pad = s->k / 2;
    for (int ci = 0; ci < s->ci; ci++)
        for (int ky = 0; ky < s->k; ky++)
            for (int kx = 0; kx < s->k; kx++)
                for (int r = 0; r < n_rows; r++)
                    for (int ox = 0; ox < s->ow; ox++, col++) {
                        int y = (row0 + r) * s->stride + ky - pad, xx = ox * s->stride + kx - pad;
                        if (y >= 0 && y < s->ih && xx >= 0 && xx < s->iw)
                            dx[((size_t)ci * s->ih + y) * s->iw + xx] += *col;
                    }
}

static void plane_stats(const real *z, size_t n, double *mean, double *m2)
{
    double total = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)z[i];
    *mean = total / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)z[i] - *mean) * ((double)z[i] - *mean);
    *m2 = squares;
}

static real sigmoid_of(real x)
{
    return (real)(1 / (1 + exp(-(double)x)));
}

static void bn_silu(const real *z, size_t n, real scale, real shift, const real *residual, real *out)
{
    for (size_t i = 0; i < n; i++) {
        real y = scale * z[i] + shift;
        out[i] = y * sigmoid_of(y) + (residual ? residual[i] : 0);
    }
}

static void silu_grad(const real *z, real *d, size_t n, real scale, real shift, real mean, double *sum_dy,
                      double *sum_dyz)
{
    double a = 0, b = 0;
    for (size_t i = 0; i < n; i++) {
        real y = scale * z[i] + shift, s = sigmoid_of(y);
        d[i] *= s * (1 + y * (1 - s));
        a += (double)d[i];
        b += (double)d[i] * (double)(z[i] - mean);
    }
    *sum_dy = a;
    *sum_dyz = b;
}

static void bn_grad(const real *z, real *d, size_t n, real mean, real a, real b, real c)
{
    for (size_t i = 0; i < n; i++)
        d[i] = a * d[i] + b * (z[i] - mean) + c;
}

static void add(real *dst, const real *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] += src[i];
}

static double sum(const real *p, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)p[i];
    return total;
}

static double sum_squares(const real *p, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)p[i] * (double)p[i];
    return total;
}

static void sigmoid(const real *x, real *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = sigmoid_of(x[i]);
}

static void add_scalar(real *p, size_t n, real value)
{
    for (size_t i = 0; i < n; i++)
        p[i] += value;
}

/* Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, in the order of operations of PyTorch. */
static void adamw(const struct adamw_step *s, size_t n, const real *grad, real *p, real *m, real *v)
{
    real root = (real)sqrt((double)s->correction2), step = s->lr / s->correction1;
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * s->grad_scale;
        p[i] -= s->lr * s->decay * p[i];
        m[i] += (1 - s->beta1) * (g - m[i]);
        v[i] = s->beta2 * v[i] + (1 - s->beta2) * g * g;
        p[i] -= step * (m[i] / ((real)sqrt((double)v[i]) / root + s->eps));
    }
}

static void sgd(size_t n, real lr, real momentum, real decay, real grad_scale, const real *grad, real *p, real *m)
{
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * grad_scale + decay * p[i];
        m[i] = momentum * m[i] + g;
        p[i] -= lr * (g + momentum * m[i]);
    }
}

static void ema(size_t n, real keep, const real *p, real *average)
{
    for (size_t i = 0; i < n; i++)
        average[i] = keep * average[i] + (1 - keep) * p[i];
}

void kernels_ref(struct kernels *k)
{
    *k = (struct kernels){
        .name = "ref",
        .gemm = gemm,
        .im2col = im2col,
        .col2im = col2im,
        .plane_stats = plane_stats,
        .bn_silu = bn_silu,
        .silu_grad = silu_grad,
        .bn_grad = bn_grad,
        .add = add,
        .sum = sum,
        .sum_squares = sum_squares,
        .sigmoid = sigmoid,
        .add_scalar = add_scalar,
        .adamw = adamw,
        .sgd = sgd,
        .ema = ema,
    };
}
