/* Assignment and loss against PyTorch on given raw outputs: no box at all, one, twins, nested and crowded ones, sides that
 * run through anchors, boxes that no anchor lies in, boxes with sides beyond the last bin. */
#include "golden.h"

#include <math.h>
#include <stdio.h>

/* Every value of the loss is a short expression of logits: some tens of roundings, through sums over at most 1200 anchors and
 * classes that are taken in double. Target scores hold overlap^6: six times the overlap's error, and that is a difference of
 * corners of up to 160 pixels. */
#define LOSS 64
#define SCORE 256
#define GRADIENT 512

struct fixture {
    struct golden golden;
    struct arena arena;
    struct kernels kernels;
    struct model model;
    struct detector d;
    const char *stem;
};

/* As loss_logits in generate.py: float throughout. */
static void set_boxes(struct fixture *f, int level, int image)
{
    const struct tensor *t = &f->d.net.tensors[f->d.box[level]];
    size_t cells = golden_plane(t);
    const char *name = arena_printf(&f->arena, "%s/box%d/%d", f->stem, level, image);
    uint64_t key = seeded_key(name), peaks = seeded_key(arena_printf(&f->arena, "%s#peak", name));
    real *x = ARENA_NEW(&f->arena, real, (size_t)t->c * cells);
    for (size_t c = 0; c < (size_t)t->c; c++)
        for (size_t i = 0; i < cells; i++) {
            bool peak = seeded_bits(peaks, c / SPEC_REG_MAX * cells + i) % 9 == c % SPEC_REG_MAX;
            x[c * cells + i] = (real)(2 * seeded_unit(key, c * cells + i) + (peak ? 5.0f : 0.0f));
        }
    tensor_set(t, image, x);
}

static void set_classes(struct fixture *f, int level, int image)
{
    const struct tensor *t = &f->d.net.tensors[f->d.cls[level]];
    size_t n = golden_plane(t) * (size_t)t->c;
    uint64_t key = seeded_key(arena_printf(&f->arena, "%s/cls%d/%d", f->stem, level, image));
    real *x = ARENA_NEW(&f->arena, real, n);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(4 * seeded_unit(key, i) - 1);
    tensor_set(t, image, x);
}

/* Stored rows: image, anchor, class, score, box. */
#define ROW 8

static void check_targets(struct fixture *f, const struct golden_labels *labels, int n)
{
    struct golden *g = &f->golden;
    const char *name = arena_printf(&f->arena, "%s/targets", f->stem);
    struct assigner *a = assigner_open(f->d.n_anchors);
    struct target *t = ARENA_NEW(&f->arena, struct target, (size_t)f->d.n_anchors);
    size_t row = 0, n_want;
    golden_get(g, name, &n_want);
    for (int i = 0; i < n; i++) {
        int count = assign_image(a, &f->d, i, labels->of[i], labels->n[i], t);
        for (int j = 0; j < count; j++, row++) {
            double place[] = {i, t[j].anchor, t[j].class_id}, score = (double)t[j].score;
            double box[] = {(double)t[j].box.x1, (double)t[j].box.y1, (double)t[j].box.x2, (double)t[j].box.y2};
            golden_check_list(g, name, row * ROW, place, 3, 0, 0);
            golden_check_list(g, name, row * ROW + 3, &score, 1, 0, SCORE);
            golden_check_list(g, name, row * ROW + 4, box, 4, 0, 0); /* fractions and sizes have few bits: exact */
        }
    }
    assigner_close(a);
    if (row * ROW != n_want)
        fail_msg("%s: %zu anchors learn, PyTorch's are %zu", f->stem, row, n_want / ROW);
}

/* The 64 gradients of each anchor that learns. */
static void check_target_grads(struct fixture *f)
{
    struct golden *g = &f->golden;
    size_t n, n_grads;
    const char *name = arena_printf(&f->arena, "%s/target_grads", f->stem);
    const double *rows = golden_get(g, arena_printf(&f->arena, "%s/targets", f->stem), &n);
    const double *want = golden_get(g, name, &n_grads);
    for (size_t r = 0; r < n / ROW; r++) {
        struct anchor at = detector_anchor(&f->d, (int)rows[r * ROW + 1]);
        const struct tensor *t = &f->d.net.tensors[f->d.box[at.level]];
        size_t plane = golden_plane(t);
        real *grad = ARENA_NEW(&f->arena, real, plane * (size_t)t->c);
        double got[4 * SPEC_REG_MAX], scale = 0;
        tensor_get_grad(t, (int)rows[r * ROW], grad);
        for (size_t c = 0; c < COUNT(got); c++) {
            got[c] = (double)grad[c * plane + (size_t)at.cell];
            scale = fmax(scale, fabs(want[r * COUNT(got) + c]));
        }
        golden_check_list(g, name, r * COUNT(got), got, COUNT(got), scale, GRADIENT);
    }
}

static void check_loss(struct fixture *f, const struct golden_labels *labels, int n)
{
    struct golden *g = &f->golden;
    struct loss *loss = loss_open(&f->d, &f->arena);
    struct loss_result r;
    loss_assign(loss, labels->of, labels->n, n);
    loss_gradients(loss, n, &r);
    golden_check_list(g, arena_printf(&f->arena, "%s/loss", f->stem), 0,
                      (double[]){r.box, r.cls, r.dfl, r.total, (double)r.n_targets}, 5, 0, LOSS);
    for (int l = 0; l < SPEC_LEVELS; l++) {
        golden_check_tensor(g, arena_printf(&f->arena, "%s/dbox%d", f->stem, l), &f->d.net.tensors[f->d.box[l]], n, true,
                            GRADIENT);
        golden_check_tensor(g, arena_printf(&f->arena, "%s/dcls%d", f->stem, l), &f->d.net.tensors[f->d.cls[l]], n, true,
                            GRADIENT);
    }
    check_target_grads(f);
    loss_close(loss);
}

static void check_case(struct fixture *f, const char *name, int size, int classes, int n)
{
    f->stem = arena_printf(&f->arena, "loss/%s", name);
    golden_model(&f->model, f->stem, 'n', classes, size, true, &f->arena);
    detector_build(&f->d, &f->model.spec, &f->model.params, &f->kernels, NULL, size, size);
    net_plan(&f->d.net, n, true, &f->arena);
    struct golden_labels labels = golden_labels(&f->golden, f->stem, n);
    for (int l = 0; l < SPEC_LEVELS; l++)
        for (int i = 0; i < n; i++) {
            set_boxes(f, l, i);
            set_classes(f, l, i);
        }
    check_targets(f, &labels, n);
    if (labels.n_items > 0)
        golden_report(&f->golden, arena_printf(&f->arena, "%s assignment", name));
    check_loss(f, &labels, n);
    golden_report(&f->golden, arena_printf(&f->arena, "%s loss and gradients", name));
    detector_free(&f->d);
    arena_reset(&f->arena);
}

static void test_loss(void **state)
{
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "loss");
    check_case(&f, "none", 64, 3, 2);
    check_case(&f, "plain", 64, 3, 5);
    check_case(&f, "crowd", 96, 3, 3);
    check_case(&f, "large", 160, 5, 3);
    golden_close(&f.golden);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {GOLDEN_SETS(test_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
