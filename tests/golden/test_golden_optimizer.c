/* The schedule at every iteration, and optimizer, parameter groups, clipping and EMA on given gradients, against torch.optim. */
#include "training.h"

#include <string.h>

#define SCHEDULE 8 /* a few products and quotients, in double in every build */
/* Ten updates of some ten roundings each; AdamW's square root and quotient make errors of the gradient no larger. */
#define UPDATE 128
#define ITERATIONS 20

struct fixture {
    struct golden golden;
    struct arena arena;
    struct kernels kernels;
};

/* One Conv. */
static void make_params(struct fixture *f, struct param_set *p)
{
    static const struct param items[] = {
        {.name = "conv.weight", .kind = PARAM_WEIGHT, .n_dims = 4, .dims = {8, 3, 3, 3}, .offset = 0, .n = 216},
        {.name = "bn.weight", .kind = PARAM_BN_SCALE, .n_dims = 1, .dims = {8, 1, 1, 1}, .offset = 216, .n = 8},
        {.name = "bn.bias", .kind = PARAM_BIAS, .n_dims = 1, .dims = {8, 1, 1, 1}, .offset = 224, .n = 8},
        {.name = "bn.running_mean", .kind = PARAM_MEAN, .n_dims = 1, .dims = {8, 1, 1, 1}, .offset = 232, .n = 8},
        {.name = "bn.running_var", .kind = PARAM_VAR, .n_dims = 1, .dims = {8, 1, 1, 1}, .offset = 240, .n = 8},
    };
    *p = (struct param_set){.n_items = COUNT(items), .n_trainable = 232, .n_total = 248};
    p->items = ARENA_NEW(&f->arena, struct param, COUNT(items));
    memcpy(p->items, items, sizeof items);
    real **blocks[] = {&p->data, &p->ema, &p->grad, &p->moment1, &p->moment2};
    for (size_t i = 0; i < COUNT(blocks); i++)
        *blocks[i] = ARENA_NEW(&f->arena, real, p->n_total);
}

static void add_gradients(struct fixture *f, struct param_set *p, const char *at, int iteration)
{
    for (int i = 0; i < p->n_items; i++) {
        const struct param *q = &p->items[i];
        uint64_t key = seeded_key(arena_printf(&f->arena, "%s/%s", at, q->name));
        for (size_t j = 0; j < q->n && q->offset + j < p->n_trainable; j++)
            p->grad[q->offset + j] += (real)(seeded_unit(key, j) * ((float)(iteration % 4) * 0.5f + 0.0625f));
    }
}

static void check_optimizer(struct fixture *f, const struct training *r)
{
    struct param_set p;
    make_params(f, &p);
    const char *stem = arena_printf(&f->arena, "optimizer/%s", r->kind);
    seeded_fill_params(stem, &p);
    memcpy(p.ema, p.data, p.n_total * sizeof(real));
    long updates = 0, last_step = -1;
    for (int i = 0; i < ITERATIONS; i++) {
        const char *at = arena_printf(&f->arena, "%s/%d", stem, i);
        struct schedule_point point = schedule_at(&r->schedule, i / r->schedule.batches_per_epoch, i);
        add_gradients(f, &p, at, i);
        if (i - last_step < point.accumulate)
            continue;
        last_step = i;
        double norm = training_update(&f->kernels, NULL, &p, r, &point, ++updates);
        golden_check_list(&f->golden, arena_printf(&f->arena, "%s/norm", at), 0, &norm, 1, 0, UPDATE);
        training_check_state(&f->golden, at, &p, UPDATE);
    }
    golden_report(&f->golden, stem);
    assert_true(updates > ITERATIONS / 2 && updates < ITERATIONS); /* steps over one batch and over two */
}

static void test_schedule(void **state)
{
    (void)state;
    struct golden g;
    golden_open(&g, "optimizer");
    for (size_t r = 0; r < N_TRAININGS; r++)
        for (int i = 0; i < ITERATIONS; i++) {
            const struct schedule *s = &trainings[r].schedule;
            struct schedule_point at = schedule_at(s, i / s->batches_per_epoch, i);
            const double values[] = {at.lr, at.bias_lr, at.momentum, at.accumulate};
            golden_check_list(&g, arena_printf(&g.arena, "optimizer/%s/%d/schedule", trainings[r].kind, i), 0, values,
                              COUNT(values), 0, SCHEDULE * 0x1p-49 / GOLDEN_EPS);
        }
    golden_report(&g, "schedule");
    golden_close(&g);
}

static void test_optimizer(void **state)
{
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "optimizer");
    for (size_t i = 0; i < N_TRAININGS; i++)
        check_optimizer(&f, &trainings[i]);
    golden_close(&f.golden);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schedule), GOLDEN_SETS(test_optimizer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
