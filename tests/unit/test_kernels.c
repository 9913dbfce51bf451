/* Every kernel set: whole convolutions against the textbook definition in double, forward and both gradients, direct and
 * by Winograd, at shapes around every edge (channels that fill no block, maps that fill no tile, strides, one pixel); the
 * element-wise kernels against their formulas; and all sets but openblas against each other, bit for bit. */
#include "../harness/cmocka_all.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "nn/conv.h"
#include "nn/kernels.h"

static struct kernels set;
static const char *const SETS[] = {"ref", "avx2", "avx512", "openblas"};

static const struct shape {
    int ci, co, k, stride, h, w;
} SHAPES[] = {
    {3, 16, 3, 2, 12, 20}, {3, 20, 3, 1, 7, 5},   {16, 16, 3, 1, 8, 8},   {32, 48, 3, 1, 10, 13}, {20, 35, 3, 1, 9, 6},
    {16, 32, 3, 2, 12, 8}, {17, 16, 3, 2, 9, 11}, {48, 33, 1, 1, 10, 10}, {64, 16, 1, 1, 5, 27},  {16, 16, 1, 2, 7, 8},
    {16, 16, 3, 1, 1, 1},  {16, 16, 3, 2, 2, 2},  {96, 64, 3, 1, 20, 20}, {16, 16, 3, 1, 40, 80},
};

enum result { OUTPUT, INPUT_GRAD, WEIGHT_GRAD, N_RESULTS };
static const char *const RESULT_NAMES[] = {"output", "input gradient", "weight gradient"};

struct fixture {
    struct arena arena;
    const struct shape *s;
    struct tensor in, out;
    struct conv conv;
    real *x, *w, *dy, *dx_before; /* planes [c][h][w]; weights [co][ci][k][k] */
    real *got[N_RESULTS];
    double *want[N_RESULTS], *magnitude[N_RESULTS]; /* and the sum of the absolute products */
    size_t n[N_RESULTS];
};

static real *random_array(struct fixture *f, size_t n, unsigned stream)
{
    real *p = ARENA_NEW(&f->arena, real, n);
    struct rng r = rng_at(1, RNG_TEST, 0, stream);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_range(&r, -1, 1);
    return p;
}

static void place(struct fixture *f, struct tensor *t, int c, int h, int w, int lanes)
{
    t->image_stride = tensor_shape(t, c, h, w, lanes);
    size_t stride = t->image_stride, first = t->row + (size_t)lanes;
    *t = (struct tensor){.c = t->c, .h = h, .w = w, .lanes = lanes, .blocks = t->blocks, .row = t->row, .plane = t->plane};
    t->image_stride = stride;
    t->data = ARENA_NEW(&f->arena, real, stride) + first;
    t->grad = ARENA_NEW(&f->arena, real, stride) + first;
}

static void build(struct fixture *f, const struct shape *s, bool is_direct)
{
    *f = (struct fixture){.s = s};
    int oh = (s->h - 1) / s->stride + 1, ow = (s->w - 1) / s->stride + 1;
    place(f, &f->in, s->ci, s->h, s->w, s->ci <= TENSOR_INPUT_LANES ? TENSOR_INPUT_LANES : LANES);
    place(f, &f->out, s->co, oh, ow, LANES);
    conv_plan(&f->conv, &f->in, &f->out, s->k, s->stride, is_direct, &f->arena);
    f->n[OUTPUT] = (size_t)(s->co * oh * ow);
    f->n[INPUT_GRAD] = (size_t)(s->ci * s->h * s->w);
    f->n[WEIGHT_GRAD] = conv_weights(&f->conv);
    f->x = random_array(f, f->n[INPUT_GRAD], 1);
    f->dx_before = random_array(f, f->n[INPUT_GRAD], 2);
    f->dy = random_array(f, f->n[OUTPUT], 3);
    f->w = random_array(f, f->n[WEIGHT_GRAD], 4);
    for (int r = 0; r < N_RESULTS; r++) {
        f->got[r] = ARENA_NEW(&f->arena, real, f->n[r]);
        f->want[r] = ARENA_NEW(&f->arena, double, f->n[r]);
        f->magnitude[r] = ARENA_NEW(&f->arena, double, f->n[r]);
    }
}

static void tally(struct fixture *f, enum result r, size_t i, real a, real b)
{
    f->want[r][i] += (double)a * (double)b;
    f->magnitude[r][i] += fabs((double)a * (double)b);
}

/* y[o][y][x] = sum of w[o][i][ky][kx] * x[i][y*s + ky - pad][x*s + kx - pad], and its two derivatives. */
static void textbook(struct fixture *f)
{
    const struct shape *s = f->s;
    int oh = f->out.h, ow = f->out.w, pad = s->k / 2;
    for (int o = 0; o < s->co; o++)
        for (int i = 0; i < s->ci; i++)
            for (int y = 0; y < oh; y++)
                for (int x = 0; x < ow; x++)
                    for (int t = 0; t < s->k * s->k; t++) {
                        int iy = y * s->stride + t / s->k - pad, ix = x * s->stride + t % s->k - pad;
                        if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
                            continue;
                        size_t at_y = (size_t)((o * oh + y) * ow + x), at_x = (size_t)((i * s->h + iy) * s->w + ix);
                        size_t at_w = (size_t)((o * s->ci + i) * s->k * s->k + t);
                        tally(f, OUTPUT, at_y, f->x[at_x], f->w[at_w]);
                        tally(f, INPUT_GRAD, at_x, f->dy[at_y], f->w[at_w]);
                        tally(f, WEIGHT_GRAD, at_w, f->dy[at_y], f->x[at_x]);
                    }
}

static void run(struct fixture *f, const struct kernels *k)
{
    const struct conv *c = &f->conv;
    real *packed = ARENA_NEW(&f->arena, real, conv_packed(c)), *scratch = ARENA_NEW(&f->arena, real, conv_scratch(c, true));
    real *partial = ARENA_NEW(&f->arena, real, conv_partial(c));
    tensor_set(&f->in, 0, f->x);
    tensor_set_grad(&f->out, 0, f->dy);
    tensor_set_grad(&f->in, 0, f->dx_before);
    struct view x = tensor_data(&f->in, 0), y = tensor_data(&f->out, 0), dy = tensor_grad(&f->out, 0),
                dx = tensor_grad(&f->in, 0);
    for (int b = 0; b < c->out_blocks; b++)
        conv_pack_forward(k, c, f->w, b, packed, scratch);
    for (int chunk = 0; chunk < c->n_chunks; chunk++)
        conv_forward(k, c, &x, packed, &y, chunk, scratch);
    tensor_get(&f->out, 0, f->got[OUTPUT]);

    conv_weight_grad(k, c, &f->in, &f->out, 1, partial, scratch);
    memset(f->got[WEIGHT_GRAD], 0, f->n[WEIGHT_GRAD] * sizeof(real));
    for (int b = 0; b < c->out_blocks; b++)
        conv_unpack_grad(c, partial, b, f->got[WEIGHT_GRAD]);

    for (int b = 0; b < c->in_blocks && f->in.lanes == LANES; b++)
        conv_pack_backward(k, c, f->w, b, packed, scratch);
    for (int chunk = 0; chunk < c->n_grad_chunks && f->in.lanes == LANES; chunk++)
        conv_input_grad(k, c, &dy, packed, &dx, true, chunk, scratch);
    tensor_get_grad(&f->in, 0, f->got[INPUT_GRAD]);
}

/* Direct sums err by at most terms * eps * magnitude, in practice by its square root; F(4x4) multiplies and cancels: its
 * error against the direct sum's is 2 to 4 in the mean and 30 at worst (docs/detector.md), relative to the tensor. */
static void compare(const struct fixture *f, enum result r)
{
    double largest = 0;
    for (size_t i = 0; i < f->n[r]; i++)
        largest = fmax(largest, f->magnitude[r][i]);
    for (size_t i = 0; i < f->n[r]; i++) {
        double before = r == INPUT_GRAD ? (double)f->dx_before[i] : 0;
        double allowed = (double)FLT_EPSILON * (f->conv.is_winograd ? 16 * largest : 8 * (f->magnitude[r][i] + 1));
        if (!(fabs((double)f->got[r][i] - f->want[r][i] - before) <= allowed))
            fail_msg("%s %dx%d stride %d, %d->%d of %dx%d%s: %s [%zu] is %.9g, should be %.9g", set.name, f->s->k, f->s->k,
                     f->s->stride, f->s->ci, f->s->co, f->s->h, f->s->w, f->conv.is_winograd ? ", Winograd" : "",
                     RESULT_NAMES[r], i, (double)f->got[r][i], f->want[r][i] + before);
    }
}

static bool use(const char *name)
{
    struct error e = {0};
    return kernels_select(name, &set, &e);
}

static void test_convolutions(void **state)
{
    (void)state;
    int n_sets = 0;
    for (size_t k = 0; k < sizeof SETS / sizeof *SETS; k++) {
        if (!use(SETS[k])) /* this CPU lacks it */
            continue;
        n_sets++;
        for (size_t i = 0; i < 2 * sizeof SHAPES / sizeof *SHAPES; i++) {
            struct fixture f;
            build(&f, &SHAPES[i / 2], i % 2);
            textbook(&f);
            run(&f, &set);
            compare(&f, OUTPUT);
            compare(&f, WEIGHT_GRAD);
            if (f.in.lanes == LANES)
                compare(&f, INPUT_GRAD);
            arena_free(&f.arena);
        }
    }
    assert_true(n_sets >= 2);
}

/* The promise behind "the same weights on every CPU". */
static void test_same_bits(void **state)
{
    (void)state;
    struct kernels ref;
    kernels_ref(&ref);
    for (const char *const *name = SETS + 1; name < SETS + 3; name++) {
        if (!use(*name))
            continue;
        for (size_t i = 0; i < 2 * sizeof SHAPES / sizeof *SHAPES; i++) {
            struct fixture one, two;
            build(&one, &SHAPES[i / 2], i % 2);
            build(&two, &SHAPES[i / 2], i % 2);
            run(&one, &ref);
            run(&two, &set);
            for (int r = 0; r < N_RESULTS; r++)
                if (memcmp(one.got[r], two.got[r], one.n[r] * sizeof(real)) != 0)
                    fail_msg("%s: %s of shape %zu differs from the reference", *name, RESULT_NAMES[r], i);
            arena_free(&one.arena);
            arena_free(&two.arena);
        }
    }
}

#define PIXELS 37
#define N (PIXELS * LANES)

struct rows { /* the outputs of all element-wise kernels, from the same inputs */
    real silu[N], dy[N], dz[N], added[N], up[4 * N], up_grad[N], best[N], best_grad[N], sig[N + 5];
    uint8_t place[N];
    double sums[2][LANES], mean[LANES], m2[LANES], lanes[LANES], squares;
    real p[N + 5], m[N + 5], v[N + 5], sgd_p[N + 5], sgd_m[N + 5], ema[N + 5];
};

static real z[N + 5], d[N + 5], coefficient[6][LANES];

static void run_rows(const struct kernels *k, struct rows *o)
{
    memset(o, 0, sizeof *o);
    k->bn_silu(z, PIXELS, coefficient[0], coefficient[1], d, o->silu);
    memcpy(o->dy, d, sizeof o->dy);
    k->silu_grad(z, o->dy, PIXELS, coefficient[0], coefficient[1], coefficient[2], o->sums[0], o->sums[1]);
    memcpy(o->dz, d, sizeof o->dz);
    k->bn_grad(z, o->dz, PIXELS, coefficient[2], coefficient[3], coefficient[4], coefficient[5]);
    memcpy(o->added, z, sizeof o->added);
    k->add_lanes(o->added, PIXELS, coefficient[0]);
    k->sum_lanes(z, PIXELS, o->lanes);
    k->stats(z, 12 * LANES, 11, 3, o->mean, o->m2);
    k->upsample(z, PIXELS, o->up, o->up + 2 * N);
    k->upsample_grad(o->up, o->up + 2 * N, PIXELS, o->up_grad, true);
    memcpy(o->best, z, sizeof o->best);
    k->max_lanes(o->best, o->place, d, PIXELS, 7);
    k->max_lanes_grad(d, o->place, PIXELS, 7, o->best_grad);
    k->sigmoid(z, o->sig, N + 5);
    o->squares = k->sum_squares(z, N + 5);
    struct adamw_step s = {.lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 5e-4f,
                           .correction1 = 0.1f, .correction2 = 0.001f, .grad_scale = 0.5f};
    real *copies[] = {o->p, o->sgd_p, o->ema};
    for (int i = 0; i < 3; i++)
        memcpy(copies[i], z, sizeof o->p);
    k->adamw(&s, N + 5, d, o->p, o->m, o->v);
    k->sgd(N + 5, 0.01f, 0.9f, 5e-4f, 0.5f, d, o->sgd_p, o->sgd_m);
    k->ema(N + 5, 0.9f, d, o->ema);
}

static void fill_rows(void)
{
    struct rng r = rng_at(2, RNG_TEST, 0, 0);
    for (int i = 0; i < N + 5; i++) {
        z[i] = rng_range(&r, -9, 9);
        d[i] = rng_range(&r, -2, 2);
    }
    for (int c = 0; c < 6; c++)
        for (int i = 0; i < LANES; i++)
            coefficient[c][i] = rng_range(&r, -1.5f, 1.5f);
}

static void near(const char *what, double got, double want, double relative, double absolute)
{
    if (!(fabs(got - want) <= absolute + relative * fabs(want)))
        fail_msg("%s %s: %.9g, should be %.9g", set.name, what, got, want);
}

/* Against the formulas, in double. A few units in the last place of results of the size of 10. */
static void check_formulas(const struct rows *o)
{
    double sum_dy[LANES] = {0}, sum_dyz[LANES] = {0}, squares = 0;
    for (int i = 0; i < N; i++) {
        int l = i % LANES;
        double y = (double)coefficient[0][l] * (double)z[i] + (double)coefficient[1][l], s = 1 / (1 + exp(-y));
        double dy = (double)d[i] * s * (1 + y * (1 - s)), centred = (double)z[i] - (double)coefficient[2][l];
        near("bn_silu", (double)o->silu[i], y * s + (double)d[i], 5e-7, 2e-6);
        near("silu_grad", (double)o->dy[i], dy, 1e-6, 3e-6);
        near("bn_grad", (double)o->dz[i], (double)coefficient[3][l] * (double)d[i] + (double)coefficient[4][l] * centred +
                                              (double)coefficient[5][l], 3e-7, 3e-6);
        near("add_lanes", (double)o->added[i], (double)z[i] + (double)coefficient[0][l], 1e-7, 1e-6);
        near("upsample", (double)o->up[2 * (i - l) + l], (double)z[i], 0, 0);
        near("upsample_grad", (double)o->up_grad[i], 4 * (double)z[i], 1e-7, 0);
        near("max_lanes", (double)o->best[i], fmax((double)z[i], (double)d[i]), 0, 0);
        near("max_lanes_grad", (double)o->best_grad[i], d[i] > z[i] ? (double)d[i] : 0, 0, 0);
        near("sigmoid", (double)o->sig[i], 1 / (1 + exp(-(double)z[i])), 3e-7, 0);
        sum_dy[l] += dy;
        sum_dyz[l] += dy * centred;
    }
    for (int i = 0; i < N + 5; i++) {
        squares += (double)z[i] * (double)z[i];
        double g = 0.5 * (double)d[i], root = sqrt((double)0.001f);
        double step = 1e-2 * (0.1 * g) / (sqrt(1e-3 * g * g) / root + 1e-8);
        near("adamw", (double)o->p[i], (double)z[i] * (1 - 5e-7) - step, 3e-7, 2e-7);
        double sg = g + 5e-4 * (double)z[i];
        near("sgd", (double)o->sgd_p[i], (double)z[i] - 0.01 * 1.9 * sg, 3e-7, 2e-7);
        near("ema", (double)o->ema[i], 0.9 * (double)z[i] + 0.1 * (double)d[i], 3e-7, 3e-7);
    }
    near("sum_squares", o->squares, squares, 1e-6, 0);
    for (int l = 0; l < LANES; l++) {
        near("sum of dy", o->sums[0][l], sum_dy[l], 1e-6, 1e-4);
        near("sum of dy z", o->sums[1][l], sum_dyz[l], 1e-6, 1e-3);
    }
}

static void test_rows(void **state)
{
    (void)state;
    static struct rows ref, got;
    fill_rows();
    use("ref");
    run_rows(&set, &ref);
    check_formulas(&ref);
    for (const char *const *name = SETS + 1; name < SETS + 3; name++) {
        if (!use(*name))
            continue;
        run_rows(&set, &got);
        check_formulas(&got);
        assert_memory_equal(&ref, &got, sizeof ref); /* bit for bit */
    }
}

/* A mean far from zero must not swallow the variance; rows apart are rows apart. */
static void test_stats(void **state)
{
    (void)state;
    static real far[4 * 21 * LANES];
    for (const char *const *name = SETS; name < SETS + 3; name++) {
        if (!use(*name))
            continue;
        for (int centre = 0; centre <= 1000; centre += 1000) {
            struct rng r = rng_at(3, RNG_TEST, 0, 0);
            double mean[LANES], m2[LANES], sum[LANES] = {0}, squares[LANES] = {0};
            for (size_t i = 0; i < sizeof far / sizeof *far; i++)
                far[i] = rng_range(&r, -1, 1) + (real)centre;
            set.stats(far, 21 * LANES, 20, 4, mean, m2);
            for (int p = 0; p < 80; p++)
                for (int l = 0; l < LANES; l++)
                    sum[l] += (double)far[(p / 20 * 21 + p % 20) * LANES + l];
            for (int p = 0; p < 80; p++)
                for (int l = 0; l < LANES; l++)
                    squares[l] += pow((double)far[(p / 20 * 21 + p % 20) * LANES + l] - sum[l] / 80, 2);
            for (int l = 0; l < LANES; l++) {
                near("mean", mean[l], sum[l] / 80, 1e-7, 1e-6);
                near("m2", m2[l], squares[l], 1e-5, 1e-5);
            }
        }
    }
}

static void test_nan_is_seen(void **state)
{
    (void)state;
    for (const char *const *name = SETS; name < SETS + 3; name++) {
        if (!use(*name))
            continue;
        real x[LANES] = {0}, out[LANES], best[LANES] = {0};
        uint8_t place[LANES] = {0};
        x[3] = NAN;
        set.sigmoid(x, out, LANES);
        assert_true(isnan(out[3]) && out[2] == 0.5f);
        assert_true(isnan(set.sum_squares(x, LANES)));
        set.max_lanes(best, place, x, 1, 1);
        assert_true(isnan(best[3]) && best[2] == 0);
        double total[LANES] = {0};
        set.sum_lanes(x, 1, total);
        assert_true(isnan(total[3]) && total[2] == 0);
    }
}

static void test_names(void **state)
{
    (void)state;
    struct error e = {0};
    struct kernels k;
    assert_false(kernels_select("neon", &k, &e));
    assert_non_null(strstr(e.message, "neon"));
    assert_true(use("auto"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions), cmocka_unit_test(test_same_bits),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_stats),        cmocka_unit_test(test_nan_is_seen), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
