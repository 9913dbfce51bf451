/* Every slot of every kernel set against ref.c, at sizes around the vector width, with guards around each output. Sums and
 * products: k * eps * (sum of magnitudes); element-wise kernels: some units in the last place of the result. */
#include "../harness/cmocka_all.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "nn/conv.h"
#include "nn/kernels.h"

#define GUARD 16
#define GUARD_VALUE 12345.0f
#define MAX 4200

static const size_t SIZES[] = {1, 2, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 4099};
#define N_SIZES (sizeof SIZES / sizeof *SIZES)

static struct kernels ref, set;
static float a_block[MAX + 2 * GUARD], b_block[MAX + 2 * GUARD], in[MAX], other[MAX];

static void fill(float *p, size_t n, float low, float high, unsigned index)
{
    struct rng r = rng_at(1, RNG_TEST, 0, index);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_range(&r, low, high);
}

/* Both outputs start equal, surrounded by guards. */
static float *guarded(float *block, const float *start, size_t n)
{
    for (size_t i = 0; i < n + 2 * GUARD; i++)
        block[i] = i < GUARD || i >= n + GUARD ? GUARD_VALUE : start[i - GUARD];
    return block + GUARD;
}

static void compare(const char *what, const float *want, const float *got, size_t n, double relative, double absolute)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)want[i] - (double)got[i]) <= absolute + relative * fabs((double)want[i])))
            fail_msg("%s %s n=%zu [%zu]: reference %.9g, got %.9g", set.name, what, n, i, (double)want[i],
                     (double)got[i]);
    for (int i = 1; i <= GUARD; i++)
        if (got[-i] != GUARD_VALUE || got[n + (size_t)i - 1] != GUARD_VALUE)
            fail_msg("%s %s n=%zu: wrote outside its output", set.name, what, n);
}

static void compare_sum(const char *what, double want, double got, double magnitude)
{
    if (!(fabs(want - got) <= 64 * (double)FLT_EPSILON * magnitude))
        fail_msg("%s %s: reference %.12g, got %.12g", set.name, what, want, got);
}

static double magnitude_of(const float *p, size_t n, bool squared)
{
    double total = 1e-30;
    for (size_t i = 0; i < n; i++)
        total += squared ? (double)p[i] * (double)p[i] : fabs((double)p[i]);
    return total;
}

static void check_activation(size_t n)
{
    for (int with_residual = 0; with_residual < 2; with_residual++) {
        float *want = guarded(a_block, in, n), *got = guarded(b_block, in, n);
        ref.bn_silu(in, n, 1.7f, -0.3f, with_residual ? other : NULL, want);
        set.bn_silu(in, n, 1.7f, -0.3f, with_residual ? other : NULL, got);
        compare("bn_silu", want, got, n, 1e-6, 2e-6);
    }
    float *want = guarded(a_block, other, n), *got = guarded(b_block, other, n);
    double s1, z1, s2, z2;
    ref.silu_grad(in, want, n, 1.7f, -0.3f, 0.25f, &s1, &z1);
    set.silu_grad(in, got, n, 1.7f, -0.3f, 0.25f, &s2, &z2);
    compare("silu_grad", want, got, n, 2e-6, 4e-6);
    compare_sum("silu_grad sum", s1, s2, magnitude_of(want, n, false) + (double)n);
    compare_sum("silu_grad sum z", z1, z2, 10 * (magnitude_of(want, n, false) + (double)n));

    want = guarded(a_block, other, n), got = guarded(b_block, other, n);
    ref.bn_grad(in, want, n, 0.25f, 0.7f, -0.2f, 0.05f);
    set.bn_grad(in, got, n, 0.25f, 0.7f, -0.2f, 0.05f);
    compare("bn_grad", want, got, n, 4e-7, 1e-6);

    want = guarded(a_block, in, n), got = guarded(b_block, in, n);
    ref.sigmoid(in, want, n);
    set.sigmoid(in, got, n);
    compare("sigmoid", want, got, n, 1e-6, 1e-37);
}

static void check_plain(size_t n)
{
    float *want = guarded(a_block, in, n), *got = guarded(b_block, in, n);
    ref.add(want, other, n);
    set.add(got, other, n);
    compare("add", want, got, n, 0, 0);
    ref.add_scalar(want, n, 0.125f);
    set.add_scalar(got, n, 0.125f);
    compare("add_scalar", want, got, n, 0, 0);
    ref.ema(n, 0.9f, other, want);
    set.ema(n, 0.9f, other, got);
    compare("ema", want, got, n, 3e-7, 3e-7);
    compare_sum("sum", ref.sum(in, n), set.sum(in, n), magnitude_of(in, n, false));
    compare_sum("sum_squares", ref.sum_squares(in, n), set.sum_squares(in, n), magnitude_of(in, n, true));
}

static void check_stats(size_t n)
{
    float *z = guarded(a_block, in, n);
    for (int far = 0; far < 2; far++) { /* a mean far from zero must not swallow the variance */
        double m1, v1, m2, v2;
        if (far)
            ref.add_scalar(z, n, 100);
        ref.plane_stats(z, n, &m1, &v1);
        set.plane_stats(z, n, &m2, &v2);
        compare_sum("mean", m1, m2, 1 + fabs(m1));
        if (!(fabs(v1 - v2) <= 1e-4 * v1 + 1e-9 * (double)n))
            fail_msg("%s plane_stats n=%zu far=%d: m2 %.10g, got %.10g", set.name, n, far, v1, v2);
    }
}

static void check_optimizers(size_t n)
{
    static float m1[MAX], m2[MAX], v1[MAX], v2[MAX];
    struct adamw_step s = {0.01f, 0.9f, 0.999f, 1e-8f, 0.0005f, 0.1f, 0.001f, 0.5f};
    fill(v1, n, 0.1f, 1, 9);
    memcpy(v2, v1, sizeof v1);
    memset(m1, 0, sizeof m1);
    memset(m2, 0, sizeof m2);
    float *want = guarded(a_block, in, n), *got = guarded(b_block, in, n);
    ref.adamw(&s, n, other, want, m1, v1);
    set.adamw(&s, n, other, got, m2, v2);
    compare("adamw", want, got, n, 1e-6, 1e-6);
    ref.sgd(n, 0.01f, 0.9f, 0.0005f, 0.5f, other, want, m1);
    set.sgd(n, 0.01f, 0.9f, 0.0005f, 0.5f, other, got, m2);
    compare("sgd", want, got, n, 1e-6, 1e-6);
}

static void check_gemm(int m, int n, int k)
{
    static float x[64 * 64], y[64 * 64];
    fill(x, (size_t)m * k, -1, 1, 20);
    fill(y, (size_t)n * k, -1, 1, 21);
    for (int mode = 0; mode < 8; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        real beta = mode & 4 ? 1.0f : 0.0f;
        float *want = guarded(a_block, other, (size_t)m * n), *got = guarded(b_block, other, (size_t)m * n);
        ref.gemm(ta, tb, m, n, k, x, ta ? m : k, y, tb ? k : n, beta, want, n);
        set.gemm(ta, tb, m, n, k, x, ta ? m : k, y, tb ? k : n, beta, got, n);
        compare("gemm", want, got, (size_t)m * n, 0, 4 * (double)FLT_EPSILON * (k + 1));
    }
}

static void check_unfold(int ih, int iw, int stride, int k)
{
    struct conv_shape s = conv_plan(2, 3, k, stride, ih, iw);
    size_t n_x = (size_t)2 * ih * iw;
    for (int row = 0; row < s.oh; row++) {
        int rows = s.oh - row < 2 ? s.oh - row : 2;
        size_t n_col = (size_t)2 * k * k * rows * s.ow;
        float *want = guarded(a_block, other, n_col), *got = guarded(b_block, other, n_col);
        ref.im2col(&s, in, row, rows, want);
        set.im2col(&s, in, row, rows, got);
        compare("im2col", want, got, n_col, 0, 0);
        want = guarded(a_block, in, n_x), got = guarded(b_block, in, n_x);
        ref.col2im(&s, other, row, rows, want);
        set.col2im(&s, other, row, rows, got);
        compare("col2im", want, got, n_x, 1e-6, 1e-6);
    }
}

/* Not a number and infinity must come through: they are how divergence is seen. */
static void check_nan(void)
{
    float x[20], out[20];
    for (int i = 0; i < 20; i++)
        x[i] = i == 17 ? NAN : i == 3 ? INFINITY : 1;
    set.bn_silu(x, 20, 1, 0, NULL, out);
    assert_true(isnan(out[17]) && isinf(out[3]));
    assert_true(isnan(set.sum_squares(x, 20)));
    double m, v;
    set.plane_stats(x, 20, &m, &v);
    assert_true(isnan(m));
}

static void check_set(const char *name)
{
    struct error e = {0};
    kernels_ref(&ref);
    if (!kernels_select(name, &set, &e)) {
        print_message("%s\n", e.message);
        skip();
    }
    fill(in, MAX, -6, 6, 1);
    fill(other, MAX, -2, 2, 2);
    for (size_t i = 0; i < N_SIZES; i++) {
        check_activation(SIZES[i]);
        check_plain(SIZES[i]);
        check_stats(SIZES[i]);
        check_optimizers(SIZES[i]);
    }
    static const int dims[][3] = {{1, 1, 1}, {16, 16, 16}, {5, 17, 31}, {33, 64, 9}, {48, 7, 64}, {64, 61, 27}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        check_gemm(dims[i][0], dims[i][1], dims[i][2]);
    static const int maps[][2] = {{1, 1}, {2, 2}, {5, 7}, {7, 5}, {8, 16}, {17, 19}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        for (int stride = 1; stride <= 2; stride++)
            for (int k = 1; k <= 3; k += 2)
                check_unfold(maps[i][0], maps[i][1], stride, k);
    check_nan();
}

static void test_openblas(void **state)
{
    (void)state;
    check_set("openblas");
}

static void test_avx2(void **state)
{
    (void)state;
    check_set("avx2");
}

static void test_avx512(void **state)
{
    (void)state;
    check_set("avx512");
}

static void test_ref(void **state)
{
    (void)state;
    check_set("ref");
}

/* Element-wise kernels give the same bits on every instruction set. */
static void test_same_bits(void **state)
{
    (void)state;
    struct kernels two, five;
    struct error e = {0};
    if (!kernels_select("avx2", &two, &e) || !kernels_select("avx512", &five, &e))
        skip();
    fill(in, MAX, -20, 20, 3);
    static float x[MAX], y[MAX];
    two.bn_silu(in, 4099, 1.3f, 0.2f, NULL, x);
    five.bn_silu(in, 4099, 1.3f, 0.2f, NULL, y);
    assert_memory_equal(x, y, 4099 * sizeof *x);
    assert_true(two.sum(in, 4099) == five.sum(in, 4099));
    assert_true(two.sum_squares(in, 4099) == five.sum_squares(in, 4099));
}

static void test_unknown(void **state)
{
    (void)state;
    struct kernels k;
    struct error e = {0};
    assert_false(kernels_select("avx1024", &k, &e));
    assert_int_equal(e.code, ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref),    cmocka_unit_test(test_openblas),  cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
