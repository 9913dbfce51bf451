/* Learning rate and warm-up at points worked out by hand from the recipe; AdamW, SGD and EMA steps likewise. */
#include "../harness/cmocka_all.h"

#include <math.h>
#include <string.h>

#include "nn/optim.h"
#include "nn/schedule.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.12g, expected %.12g", got, want);
}

static void test_warmup(void **state)
{
    (void)state;
    assert_int_equal(schedule_warmup(3, 19, 100), 100);  /* at least 100 iterations */
    assert_int_equal(schedule_warmup(3, 200, 100), 600); /* three epochs */
    assert_int_equal(schedule_warmup(3, 10, 6), 30);     /* at most half of a short training */
    assert_int_equal(schedule_warmup(0, 19, 100), 0);
}

static void test_points(void **state)
{
    (void)state;
    struct schedule s = {.epochs = 100,
                         .batches_per_epoch = 20,
                         .batch_size = 16,
                         .nominal_batch = 64,
                         .lr = 0.01,
                         .final_fraction = 0.01,
                         .momentum = 0.937,
                         .warmup_iterations = 100,
                         .warmup_bias_lr = 0.1,
                         .warmup_momentum = 0.8};
    struct schedule_point p = schedule_at(&s, 0, 0);
    near(p.lr, 0, 0);
    near(p.bias_lr, 0.1, 0);
    near(p.momentum, 0.8, 0);
    assert_int_equal(p.accumulate, 1);
    p = schedule_at(&s, 2, 50);
    near(p.lr, 0.5 * 0.01 * (0.98 * 0.99 + 0.01), 1e-12);
    near(p.momentum, 0.8685, 1e-12);
    assert_int_equal(p.accumulate, 2); /* 2.5 goes to the even number */
    p = schedule_at(&s, 50, 1000);
    near(p.lr, 0.01 * (0.5 * 0.99 + 0.01), 1e-12);
    near(p.bias_lr, p.lr, 0);
    assert_int_equal(p.accumulate, 4);
    p = schedule_at(&s, 99, 1999);
    near(p.lr, 0.01 * (0.01 * 0.99 + 0.01), 1e-12);
}

struct tiny {
    struct param items[2];
    struct param_set p;
    real data[3], grad[3], ema[3], m[3], v[3];
};

static void tiny_init(struct tiny *t)
{
    *t = (struct tiny){.items = {{.name = "w", .kind = PARAM_WEIGHT, .offset = 0, .n = 2},
                                 {.name = "b", .kind = PARAM_BIAS, .offset = 2, .n = 1}},
                       .data = {1, -2, 3},
                       .grad = {0.3f, 0.4f, 0}};
    t->p = (struct param_set){.items = t->items,
                              .n_items = 2,
                              .n_trainable = 3,
                              .n_total = 3,
                              .data = t->data,
                              .grad = t->grad,
                              .ema = t->ema,
                              .moment1 = t->m,
                              .moment2 = t->v};
}

static void test_adamw_first_step(void **state)
{
    (void)state;
    struct kernels k;
    kernels_ref(&k);
    struct tiny t;
    tiny_init(&t);
    struct optim_step s = {
        .kind = OPTIMIZER_ADAMW, .lr = 0.1, .bias_lr = 0.2, .momentum = 0.9, .weight_decay = 0.01, .step = 1};
    near(optim_update(&k, NULL, &t.p, &s), 0.5, 1e-7);
    near((double)t.data[0], 1 - 0.1 * 0.01 - 0.1, 1e-6); /* the first step moves by lr against the gradient's sign */
    near((double)t.data[1], -2 * (1 - 0.001) - 0.1, 1e-6);
    near((double)t.data[2], 3, 0); /* a bias without gradient neither moves nor decays */
}

static void test_clipping(void **state)
{
    (void)state;
    struct kernels k;
    kernels_ref(&k);
    struct tiny t;
    tiny_init(&t);
    struct optim_step s = {
        .kind = OPTIMIZER_SGD, .lr = 1, .bias_lr = 1, .momentum = 0, .max_grad_norm = 0.05, .step = 1};
    optim_update(&k, NULL, &t.p, &s);
    near((double)t.data[0], 1 - 0.03, 1e-6);
    near((double)t.data[1], -2 - 0.04, 1e-6);
}

static void test_divergence_changes_nothing(void **state)
{
    (void)state;
    struct kernels k;
    kernels_ref(&k);
    struct tiny t;
    tiny_init(&t);
    t.grad[1] = NAN;
    struct optim_step s = {.kind = OPTIMIZER_ADAMW, .lr = 1, .bias_lr = 1, .momentum = 0.9, .step = 1};
    assert_true(isnan(optim_update(&k, NULL, &t.p, &s)));
    near((double)t.data[0], 1, 0);
}

static void test_ema(void **state)
{
    (void)state;
    struct kernels k;
    kernels_ref(&k);
    struct tiny t;
    tiny_init(&t);
    optim_ema(&k, NULL, &t.p, 0.75);
    near((double)t.ema[0], 0.25, 1e-6);
    optim_ema(&k, NULL, &t.p, 0.5);
    near((double)t.ema[0], 0.625, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_adamw_first_step),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_divergence_changes_nothing),
        cmocka_unit_test(test_ema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
