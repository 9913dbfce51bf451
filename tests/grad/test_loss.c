/* The loss against central differences, in double: CIoU by itself, every raw output that a target touches and a sample
 * of the others, and the whole detector by one random direction per parameter tensor. The assignment and CIoU's alpha
 * carry no gradient: they are taken once and held. */
#include "../harness/cmocka_all.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "detector/loss.h"

#define STEP 1e-6
#define BATCH 2
#define SIZE 64
#define CLASSES 3

static void test_ciou(void **state)
{
    (void)state;
    static const struct ciou_box cases[][2] = {
        {{1, 1, 4, 5}, {2, 2, 6, 7}},         /* overlap */
        {{2, 2, 3, 3.5}, {1, 1, 6, 7}},       /* inside */
        {{0.5, 0.2, 8, 9}, {1, 1, 6, 7}},     /* around */
        {{10, 10, 12, 13}, {1, 1, 6, 7}},     /* apart */
        {{1, 1.1, 9, 2.3}, {3, 0.4, 4.2, 8}}, /* a cross */
        {{1, 1, 1.001, 5}, {0.5, 2, 6, 3}},   /* thin */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ciou_box a = cases[i][0], b = cases[i][1];
        real alpha, g[4], dummy[4];
        real v = ciou(&a, &b, &alpha);
        real same = ciou_grad(&a, &b, alpha, g);
        assert_true(fabs((double)(v - same)) <= 1e-15);
        real *side[] = {&a.x1, &a.y1, &a.x2, &a.y2};
        for (int j = 0; j < 4; j++) {
            real kept = *side[j];
            *side[j] = kept + (real)STEP;
            double up = (double)ciou_grad(&a, &b, alpha, dummy);
            *side[j] = kept - (real)STEP;
            double down = (double)ciou_grad(&a, &b, alpha, dummy);
            *side[j] = kept;
            double expected = (up - down) / (2 * STEP);
            if (!(fabs((double)g[j] - expected) <= 1e-7 * fmax(1, fabs(expected))))
                fail_msg("case %zu side %d: gradient %.10g, central difference %.10g", i, j, (double)g[j], expected);
        }
    }
}

struct fixture {
    struct arena arena;
    struct model model;
    struct kernels kernels;
    struct pool *pool;
    struct detector d;
    struct loss *loss;
    uint8_t pixels[BATCH][3 * SIZE * SIZE];
    const uint8_t *images[BATCH];
    const struct label *labels[BATCH];
    int n_labels[BATCH];
};

static const struct label IMAGE0[] = {
    {0, 0.4f, 0.45f, 0.5f, 0.6f}, {2, 0.7f, 0.65f, 0.3f, 0.35f}, {1, 0.42f, 0.5f, 0.25f, 0.2f}};
static const struct label IMAGE1[] = {{1, 0.55f, 0.5f, 0.85f, 0.9f}};
static const char *const NAMES[CLASSES] = {"a", "b", "c"};

static void build(struct fixture *f, size_t keep_bytes)
{
    memset(f, 0, sizeof *f);
    struct error e = {0};
    struct spec spec;
    assert_true(spec_build('n', CLASSES, &spec, &e));
    kernels_ref(&f->kernels);
    f->pool = pool_open(2);
    model_make(&spec, NAMES, SIZE, true, &f->arena, &f->model);
    model_init(&f->model, 3);
    detector_build(&f->d, &f->model.spec, &f->model.params, &f->kernels, f->pool, SIZE, SIZE);
    f->d.net.keep_bytes = keep_bytes;
    net_plan(&f->d.net, BATCH, true, &f->arena);
    f->loss = loss_open(&f->d, &f->arena);
    struct rng r = rng_at(5, RNG_TEST, 0, 0);
    for (int i = 0; i < BATCH; i++) {
        for (size_t j = 0; j < sizeof f->pixels[i]; j++)
            f->pixels[i][j] = (uint8_t)rng_below(&r, 256);
        f->images[i] = f->pixels[i];
    }
    net_use_images(&f->d.net, f->images);
    f->labels[0] = IMAGE0;
    f->n_labels[0] = 3;
    f->labels[1] = IMAGE1;
    f->n_labels[1] = 1;
    net_use_weights(&f->d.net, f->model.params.data);
    net_forward(&f->d.net, BATCH);
    loss_assign(f->loss, f->labels, f->n_labels, BATCH);
}

static void tear_down(struct fixture *f)
{
    loss_close(f->loss);
    detector_free(&f->d);
    pool_close(f->pool);
    arena_free(&f->arena);
}

static double loss_value(struct fixture *f)
{
    struct loss_result r;
    loss_gradients(f->loss, BATCH, &r);
    return r.total;
}

static void check_output(struct fixture *f, int tensor, const char *what, int *n_nonzero)
{
    const struct tensor *t = &f->d.net.tensors[tensor];
    size_t n = (size_t)(t->c * t->h * t->w);
    real *grad = ARENA_NEW(&f->arena, real, n), *data = ARENA_NEW(&f->arena, real, n);
    for (int image = 0; image < BATCH; image++) {
        loss_value(f);
        tensor_get_grad(t, image, grad);
        tensor_get(t, image, data);
        for (size_t i = 0; i < n; i++) {
            if (grad[i] == 0 && i % 61 != 0) /* what no target touches: a sample is enough */
                continue;
            real kept = data[i];
            double value[2];
            for (int s = 0; s < 2; s++) {
                data[i] = kept + (real)(s ? -STEP : STEP);
                tensor_set(t, image, data);
                value[s] = loss_value(f);
            }
            data[i] = kept;
            tensor_set(t, image, data);
            double expected = (value[0] - value[1]) / (2 * STEP);
            if (!(fabs((double)grad[i] - expected) <= 2e-7 * fmax(1, fabs(expected))))
                fail_msg("%s[%zu]: gradient %.10g, central difference %.10g", what, i, (double)grad[i], expected);
            *n_nonzero += grad[i] != 0;
        }
    }
}

static void test_outputs(void **state)
{
    (void)state;
    struct fixture f;
    build(&f, 0);
    struct loss_result r;
    loss_gradients(f.loss, BATCH, &r);
    assert_true(r.n_targets >= 10);
    int n_box = 0, n_cls = 0;
    for (int l = 0; l < SPEC_LEVELS; l++) {
        check_output(&f, f.d.box[l], "box", &n_box);
        check_output(&f, f.d.cls[l], "cls", &n_cls);
    }
    assert_true(n_box >= 64 * 10);
    assert_int_equal(n_cls, BATCH * CLASSES * f.d.n_anchors);
    tear_down(&f);
}

/* Through the whole network: for each parameter tensor the derivative along one random direction. */
static void test_whole_detector(void **state)
{
    (void)state;
    struct fixture f, kept;
    build(&kept, 0);
    build(&f, 1); /* gives values up after forward and computes them again */
    assert_true(f.d.net.n_data < kept.d.net.n_data * 2 / 3);
    struct param_set *p = &f.model.params;
    loss_value(&f);
    net_backward(&f.d.net, BATCH);
    loss_value(&kept);
    net_backward(&kept.d.net, BATCH);
    assert_memory_equal(p->grad, kept.model.params.grad, p->n_trainable * sizeof(real));
    tear_down(&kept);
    int n_checked = 0;
    for (int i = 0; i < p->n_items; i++) {
        const struct param *q = &p->items[i];
        if (q->kind == PARAM_MEAN || q->kind == PARAM_VAR)
            continue;
        struct arena scratch = {0};
        real *direction = ARENA_NEW(&scratch, real, q->n), *w = p->data + q->offset;
        struct rng r = rng_at(11, RNG_TEST, 0, (uint32_t)i);
        double along = 0, size = 0;
        for (size_t j = 0; j < q->n; j++) {
            direction[j] = (real)rng_range(&r, -1, 1);
            along += (double)direction[j] * (double)p->grad[q->offset + j];
            size += fabs((double)direction[j] * (double)p->grad[q->offset + j]);
        }
        double h = 1e-5, sums[2];
        for (int s = 0; s < 2; s++) {
            real move = (real)(s ? -h : h);
            for (size_t j = 0; j < q->n; j++)
                w[j] += move * direction[j];
            net_forward(&f.d.net, BATCH);
            sums[s] = loss_value(&f);
            for (size_t j = 0; j < q->n; j++)
                w[j] -= move * direction[j];
        }
        double expected = (sums[0] - sums[1]) / (2 * h);
        if (!(fabs(along - expected) <= 1e-6 * fmax(1, size)))
            fail_msg("%s: derivative %.10g, central difference %.10g", q->name, along, expected);
        n_checked++;
        arena_free(&scratch);
    }
    assert_int_equal(n_checked, 57 * 3 + 6 * 2);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ciou),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_whole_detector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
