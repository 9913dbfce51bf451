/* A planned detector of any input shape: sizes of its levels, and where its anchors lie. */
#include "unit.h"

#include "detector/detector.h"

static const char *const names[] = {"one", "two"};

/* Planned only: without an arena there is no memory to run in. */
static void plan(struct detector *d, struct model *m, struct arena *a, int h, int w)
{
    struct spec spec;
    struct error e = {0};
    assert_true(spec_build('n', 2, &spec, &e));
    model_make(&spec, names, 64, false, a, m);
    detector_build(d, &m->spec, &m->params, NULL, NULL, h, w);
    net_plan(&d->net, 1, false, NULL);
}

static void levels_follow_height_and_width(void **state)
{
    (void)state;
    struct arena a = {0};
    struct model m;
    struct detector d;
    plan(&d, &m, &a, 64, 96);
    assert_int_equal(d.n_anchors, 8 * 12 + 4 * 6 + 2 * 3);
    for (int level = 0; level < SPEC_LEVELS; level++) {
        const struct tensor *box = &d.net.tensors[d.box[level]], *cls = &d.net.tensors[d.cls[level]];
        assert_int_equal(box->h, 64 / m.spec.level_strides[level]);
        assert_int_equal(box->w, 96 / m.spec.level_strides[level]);
        assert_int_equal(cls->h, box->h);
        assert_int_equal(cls->w, box->w);
    }
    detector_free(&d);
    arena_free(&a);
}

/* Every anchor once, row by row, its centre half a cell from the edges of the input. */
static void anchors_run_row_by_row(void **state)
{
    (void)state;
    struct arena a = {0};
    struct model m;
    struct detector d;
    const int shapes[][2] = {{64, 96}, {96, 64}, {32, 32}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        plan(&d, &m, &a, shapes[s][0], shapes[s][1]);
        int index = 0;
        for (int level = 0; level < SPEC_LEVELS; level++) {
            int stride = m.spec.level_strides[level], h = shapes[s][0] / stride, w = shapes[s][1] / stride;
            for (int cell = 0; cell < h * w; cell++) {
                struct anchor at = detector_anchor(&d, index++);
                assert_int_equal(at.level, level);
                assert_int_equal(at.cell, cell);
                assert_int_equal(at.stride, stride);
                assert_true(at.x == (real)(cell % w) + (real)0.5 && at.y == (real)(cell / w) + (real)0.5);
            }
        }
        assert_int_equal(index, d.n_anchors);
        detector_free(&d);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_follow_height_and_width),
        cmocka_unit_test(anchors_run_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
