/* Whole networks against PyTorch. Inference: n, s and m at three sizes, raw outputs, boxes and scores. Training: raw outputs
 * with the batch's statistics, loss, every parameter's gradient, running statistics; images without boxes among them. */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A layer's share, 29 * 3 eps (test_golden_blocks.c), over up to 60 that follow one another: 87 * sqrt(60) = 674. */
#define INFERENCE 1024
/* BatchNorm divides by the spread of the batch: at 64 px a channel of stride 32 has 8 to 16 values, and of a thousand channels
 * some have a spread of an eighth of the others, whose errors it raises so much. */
#define TRAINING (8 * INFERENCE)
/* Down again over the same layers, with the square of that spread. */
#define GRADIENT (4 * TRAINING)
/* A corner moves by stride times the mean bin: by up to 7.5 cells, a third of the smallest input each, for a change of 1 in
 * the logits, which are up to 31. Of that product of worst cases, 80, we allow a twentieth. */
#define CORNER (4 * INFERENCE)

struct fixture {
    struct golden golden;
    struct arena arena; /* of one case */
    struct kernels kernels;
    struct pool *pool;
    struct model model;
    struct detector d;
};

static void open_case(struct fixture *f, const char *weights, const char *images, char scale, int classes, int size, int n,
                      bool is_training)
{
    golden_model(&f->model, weights, scale, classes, size, is_training, &f->arena);
    detector_build(&f->d, &f->model.spec, &f->model.params, &f->kernels, f->pool, size, size);
    net_plan(&f->d.net, n, is_training, &f->arena);
    golden_use_images(&f->d, images, n, &f->arena);
    net_use_weights(&f->d.net, f->model.params.data);
    assert_true(net_forward(&f->d.net, n));
}

static void close_case(struct fixture *f)
{
    detector_free(&f->d);
    arena_reset(&f->arena);
}

static void check_outputs(struct fixture *f, const char *stem, int n, double eps_allowed)
{
    for (int l = 0; l < SPEC_LEVELS; l++) {
        golden_check_tensor(&f->golden, arena_printf(&f->arena, "%s/box%d", stem, l), &f->d.net.tensors[f->d.box[l]], n,
                            false, eps_allowed);
        golden_check_tensor(&f->golden, arena_printf(&f->arena, "%s/cls%d", stem, l), &f->d.net.tensors[f->d.cls[l]], n,
                            false, eps_allowed);
    }
}

/* detector_decode gives float in both builds. */
static void check_decoded(struct fixture *f, const char *stem)
{
    size_t n_anchors = (size_t)f->d.n_anchors, n_scores = n_anchors * (size_t)f->model.spec.n_classes;
    struct box *boxes = ARENA_NEW(&f->arena, struct box, n_anchors);
    float *scores = ARENA_NEW(&f->arena, float, n_scores);
    real *wide = ARENA_NEW(&f->arena, real, n_scores > 4 * n_anchors ? n_scores : 4 * n_anchors);
    double to_float = 0x1p-23 / GOLDEN_EPS;
    detector_decode(&f->d, 0, boxes, scores);
    for (size_t i = 0; i < n_anchors; i++) {
        wide[4 * i] = (real)boxes[i].x1;
        wide[4 * i + 1] = (real)boxes[i].y1;
        wide[4 * i + 2] = (real)boxes[i].x2;
        wide[4 * i + 3] = (real)boxes[i].y2;
    }
    golden_check(&f->golden, arena_printf(&f->arena, "%s/corners", stem), wide, 4 * n_anchors, CORNER * to_float);
    for (size_t i = 0; i < n_scores; i++)
        wide[i] = (real)scores[i];
    golden_check(&f->golden, arena_printf(&f->arena, "%s/scores", stem), wide, n_scores, INFERENCE * to_float);
}

static void test_inference(void **state)
{
    static const int sizes[] = {64, 96, 160};
    static const struct {
        char scale;
        int classes;
    } models[] = {{'n', 80}, {'s', 3}, {'m', 1}};
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "network");
    f.pool = pool_open(2);
    for (size_t m = 0; m < COUNT(models); m++)
        for (size_t s = 0; s < COUNT(sizes); s++) {
            char weights[32], stem[48];
            snprintf(weights, sizeof weights, "inference/%c", models[m].scale);
            snprintf(stem, sizeof stem, "%s/%d", weights, sizes[s]);
            open_case(&f, weights, stem, models[m].scale, models[m].classes, sizes[s], 1, false);
            check_outputs(&f, stem, 1, INFERENCE);
            golden_report(&f.golden, arena_printf(&f.arena, "%s logits", stem));
            check_decoded(&f, stem);
            golden_report(&f.golden, arena_printf(&f.arena, "%s boxes and scores", stem));
            close_case(&f);
        }
    pool_close(f.pool);
    golden_close(&f.golden);
    arena_free(&f.arena);
}

static void check_training(struct fixture *f, char scale, int classes, int size, int n)
{
    struct golden *g = &f->golden;
    char stem[32];
    snprintf(stem, sizeof stem, "training/%c/%d", scale, size);
    open_case(f, stem, stem, scale, classes, size, n, true);
    check_outputs(f, stem, n, TRAINING);
    golden_report(g, arena_printf(&f->arena, "%s outputs", stem));

    struct golden_labels labels = golden_labels(g, stem, n);
    struct loss *loss = loss_open(&f->d, &f->arena);
    struct loss_result r;
    loss_assign(loss, labels.of, labels.n, n);
    loss_gradients(loss, n, &r);
    loss_close(loss);
    golden_check_list(g, arena_printf(&f->arena, "%s/loss", stem), 0,
                      (double[]){r.box, r.cls, r.dfl, r.total, (double)r.n_targets}, 5, 0, TRAINING);
    golden_report(g, arena_printf(&f->arena, "%s loss", stem));
    assert_true(net_backward(&f->d.net, n));
    net_update_running(&f->d.net);
    golden_check_grads(g, stem, &f->model.params, GRADIENT);
    golden_report(g, arena_printf(&f->arena, "%s gradients", stem));
    golden_check_running(g, stem, &f->model.params, TRAINING);
    close_case(f);
}

static void test_training(void **state)
{
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "network");
    f.pool = pool_open(2);
    check_training(&f, 'n', 3, 64, 4);
    check_training(&f, 'n', 80, 96, 3);
    check_training(&f, 's', 3, 64, 3);
    check_training(&f, 'm', 2, 64, 2);
    pool_close(f.pool);
    golden_close(&f.golden);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {GOLDEN_SETS(test_inference), GOLDEN_SETS(test_training)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
