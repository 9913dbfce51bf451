/* What PyTorch cannot answer for (tests/golden has the rest): boxes that contain no anchor's centre, and the widening that
 * lets them learn. Every prediction is a box of 2x2 cells around its anchor. */
#include <string.h>

#include "unit.h"

#include "detector/assign.h"

#define SIZE 64

static const char *const names[] = {"one"};

struct fixture {
    struct arena arena;
    struct kernels kernels;
    struct model model;
    struct detector d;
    struct assigner *assigner;
    struct target targets[84]; /* 8*8 + 4*4 + 2*2 anchors */
};

static void build(struct fixture *f)
{
    *f = (struct fixture){0};
    struct spec spec;
    struct error e = {0};
    assert_true(spec_build('n', 1, &spec, &e));
    kernels_ref(&f->kernels);
    model_make(&spec, names, SIZE, false, &f->arena, &f->model);
    detector_build(&f->d, &f->model.spec, &f->model.params, &f->kernels, NULL, SIZE, SIZE);
    net_plan(&f->d.net, 1, false, &f->arena);
    assert_int_equal(f->d.n_anchors, sizeof f->targets / sizeof *f->targets);
    for (int level = 0; level < SPEC_LEVELS; level++) {
        const struct tensor *box = &f->d.net.tensors[f->d.box[level]], *cls = &f->d.net.tensors[f->d.cls[level]];
        size_t cells = (size_t)(box->h * box->w);
        real *logits = ARENA_NEW(&f->arena, real, cells * (size_t)box->c), *scores = ARENA_NEW(&f->arena, real, cells);
        for (size_t i = 0; i < cells * (size_t)box->c; i++)
            logits[i] = i / cells % SPEC_REG_MAX == 1 ? 40 : 0; /* all weight on a distance of one cell */
        tensor_set(box, 0, logits);
        tensor_set(cls, 0, scores);
    }
    f->assigner = assigner_open(f->d.n_anchors);
}

static void tear_down(struct fixture *f)
{
    assigner_close(f->assigner);
    detector_free(&f->d);
    arena_free(&f->arena);
}

static struct label square(real centre, real side)
{
    return (struct label){.class_id = 0, .x = centre / SIZE, .y = centre / SIZE, .w = side / SIZE, .h = side / SIZE};
}

static int assign(struct fixture *f, real centre, real side)
{
    struct label label = square(centre, side);
    return assign_image(f->assigner, &f->d, 0, &label, 1, f->targets);
}

/* Around 32 the nearest centres are 28 and 36: a box of 6 pixels holds none, one of 10 holds four. */
static void a_box_between_the_centres_learns_nothing(void **state)
{
    (void)state;
    struct fixture f;
    build(&f);
    assert_int_equal(assign(&f, 32, 6), 0);
    assert_int_equal(assign(&f, 32, 10), 4);
    tear_down(&f);
}

static void widened_it_learns(void **state)
{
    (void)state;
    struct fixture f;
    build(&f);
    assigner_widen(f.assigner, 16);
    assert_int_equal(assign(&f, 32, 6), 4); /* 24 and 40 lie on the edge of the widened box, not inside */
    for (int i = 0; i < 4; i++) {
        struct anchor at = detector_anchor(&f.d, f.targets[i].anchor);
        assert_int_equal(at.stride, 8);
        assert_true(at.x * 8 == 28 || at.x * 8 == 36);
        assert_true(f.targets[i].score > 0);
        assert_true(f.targets[i].box.x1 == 29 && f.targets[i].box.x2 == 35); /* what is learned is the box as it is */
    }
    tear_down(&f);
}

static void larger_boxes_do_not_notice(void **state)
{
    (void)state;
    struct fixture f;
    build(&f);
    for (real side = 16; side <= 64; side += 8) {
        struct target before[84];
        assigner_widen(f.assigner, 0);
        int n = assign(&f, 32, side);
        memcpy(before, f.targets, sizeof before);
        assigner_widen(f.assigner, 16);
        assert_int_equal(assign(&f, 32, side), n);
        for (int i = 0; i < n; i++)
            assert_true(before[i].anchor == f.targets[i].anchor && before[i].score == f.targets[i].score);
    }
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_between_the_centres_learns_nothing),
        cmocka_unit_test(widened_it_learns),
        cmocka_unit_test(larger_boxes_do_not_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
