/* A network that trains for ten batches, against PyTorch: forward, loss, backward, running statistics, schedule in its warm-up,
 * clipping, step and EMA, with all weights and averages compared after the first step and after the tenth. */
#include "training.h"

#include <string.h>

/* Weights move by a fraction of what they are, so that the gradient's error (test_golden_network.c) shows reduced in them. AdamW
 * divides a gradient by its own size: noise in a small one moves its weight as far as a large one does, which is why its
 * learning rate is low here. */
#define FIRST_BATCH 4096
/* Every step passes the differences on, through batches of three images. PyTorch in single precision parts from itself in double
 * by as much (docs/detector.md). */
#define LATER_BATCH (4 * FIRST_BATCH)
#define STEPS 10
#define BATCH 3
#define SIZE 64
#define CLASSES 3
#define ADAMW_LR 0.0002 /* STEPS_CHANGES in generate.py */
#define SGD_LR 0.002
#define SGD_BIAS_LR 0.02

struct fixture {
    struct golden golden;
    struct arena arena;
    struct kernels kernels;
    struct pool *pool;
};

struct run {
    struct model model;
    struct detector d;
    struct loss *loss;
};

static void check_step(struct fixture *f, struct run *run, const struct training *r, const char *at, int step)
{
    struct golden *g = &f->golden;
    double allowed = step == 1 ? FIRST_BATCH : LATER_BATCH;
    struct loss_result l;
    struct golden_labels labels = golden_labels(g, at, BATCH);
    golden_use_images(&run->d, at, BATCH, &f->arena);
    assert_true(net_forward(&run->d.net, BATCH));
    loss_assign(run->loss, labels.of, labels.n, BATCH);
    loss_gradients(run->loss, BATCH, &l);
    golden_check_list(g, arena_printf(&f->arena, "%s/loss", at), 0,
                      (double[]){l.box, l.cls, l.dfl, l.total, (double)l.n_targets}, 5, 0, allowed);
    assert_true(net_backward(&run->d.net, BATCH));
    net_update_running(&run->d.net);
    struct schedule_point point = schedule_at(&r->schedule, step / r->schedule.batches_per_epoch, step);
    assert_int_equal(point.accumulate, 1);
    double norm = training_update(&f->kernels, f->pool, &run->model.params, r, &point, step);
    golden_check_list(g, arena_printf(&f->arena, "%s/norm", at), 0, &norm, 1, 0, allowed);
    if (step == 1 || step == STEPS)
        training_check_state(g, at, &run->model.params, allowed);
    golden_report(g, at);
}

static void check_steps(struct fixture *f, struct training r)
{
    struct run run;
    const char *stem = arena_printf(&f->arena, "steps/%s", r.kind);
    r.schedule.nominal_batch = r.schedule.batch_size;
    r.schedule.lr = r.optimizer == OPTIMIZER_ADAMW ? ADAMW_LR : SGD_LR;
    r.schedule.warmup_bias_lr = r.optimizer == OPTIMIZER_ADAMW ? 0 : SGD_BIAS_LR;
    golden_model(&run.model, stem, 'n', CLASSES, SIZE, true, &f->arena);
    detector_build(&run.d, &run.model.spec, &run.model.params, &f->kernels, f->pool, SIZE, SIZE);
    net_plan(&run.d.net, BATCH, true, &f->arena);
    net_use_weights(&run.d.net, run.model.params.data);
    run.loss = loss_open(&run.d, &f->arena);
    for (int step = 1; step <= STEPS; step++)
        check_step(f, &run, &r, arena_printf(&f->arena, "%s/%d", stem, step), step);
    loss_close(run.loss);
    detector_free(&run.d);
    arena_reset(&f->arena);
}

static void test_steps(void **state)
{
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "steps");
    f.pool = pool_open(2);
    for (size_t i = 0; i < N_TRAININGS; i++)
        check_steps(&f, trainings[i]);
    pool_close(f.pool);
    golden_close(&f.golden);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {GOLDEN_SETS(test_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
