/* Suppression against torchvision's on generated crowds (tests/golden/nms/make.py) and by hand at the edges. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "core/arena.h"
#include "detector/nms.h"

#define CASES "tests/golden/nms/cases.txt"
#define N_CASES 14

static const struct nms_options people = {.min_score = 0.25f, .max_iou = 0.7f, .max_candidates = 30000, .max_detections = 300};

/* What make.py calls by the same names; sides in eighths of a pixel. */
struct recipe {
    int n_anchors, n_classes, n_groups, spread, jitter, levels;
};

static int draw(uint32_t *x, int n)
{
    *x = *x * 1664525u + 1013904223u;
    return (int)((*x >> 8) % (uint32_t)n);
}

static void make(uint32_t seed, const struct recipe *r, struct arena *a, struct box *boxes, float *scores)
{
    int(*groups)[4] = arena_alloc(a, (size_t)r->n_groups * sizeof *groups);
    for (int i = 0; i < r->n_groups; i++) {
        groups[i][0] = draw(&seed, 8 * r->spread);
        groups[i][1] = draw(&seed, 8 * r->spread);
        groups[i][2] = groups[i][0] + 40 + draw(&seed, 240);
        groups[i][3] = groups[i][1] + 40 + draw(&seed, 240);
    }
    for (int i = 0; i < r->n_anchors; i++) {
        float sides[4];
        for (int k = 0; k < 4; k++)
            sides[k] = (float)(groups[i % r->n_groups][k] + draw(&seed, r->jitter)) / 8;
        boxes[i] = (struct box){sides[0], sides[1], sides[2], sides[3]};
        float unit = (float)r->levels * (i % r->n_groups == r->n_groups - 1 ? 1024 : 1);
        for (int c = 0; c < r->n_classes; c++)
            scores[c * r->n_anchors + i] = (float)draw(&seed, r->levels) / unit;
    }
}

static void check_case(FILE *f, const char *name, uint32_t seed, const struct recipe *r, const struct nms_options *o, int n_kept)
{
    struct arena a = {0};
    struct box *boxes = ARENA_NEW(&a, struct box, (size_t)r->n_anchors);
    float *scores = ARENA_NEW(&a, float, (size_t)r->n_anchors * (size_t)r->n_classes);
    struct detection *out = ARENA_NEW(&a, struct detection, (size_t)o->max_detections);
    make(seed, r, &a, boxes, scores);
    int n = nms(o, boxes, scores, r->n_anchors, r->n_classes, out);
    if (n != n_kept)
        fail_msg("%s: %d detections, wanted %d", name, n, n_kept);
    for (int i = 0; i < n; i++) {
        int at, c;
        assert_int_equal(fscanf(f, "%d %d", &at, &c), 2);
        if (out[i].class_id != c || !(out[i].score == scores[c * r->n_anchors + at]) || !(out[i].box.x1 == boxes[at].x1) ||
            !(out[i].box.y2 == boxes[at].y2))
            fail_msg("%s: detection %d has class %d, score %g; wanted anchor %d, class %d, score %g", name, i, out[i].class_id,
                     (double)out[i].score, at, c, (double)scores[c * r->n_anchors + at]);
    }
    arena_free(&a);
}

static void keeps_what_torchvision_keeps(void **state)
{
    (void)state;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    char name[32];
    uint32_t seed;
    int multi, n_kept, n_cases = 0;
    struct recipe r;
    struct nms_options o;
    while (fscanf(f, " case %31s %" SCNu32 " %d %d %d %d %d %d %f %f %d %d %d %d", name, &seed, &r.n_anchors, &r.n_classes,
                  &r.n_groups, &r.spread, &r.jitter, &r.levels, &o.min_score, &o.max_iou, &multi, &o.max_candidates, &o.max_detections,
                  &n_kept) == 14) {
        o.multi_label = multi != 0;
        check_case(f, name, seed, &r, &o, n_kept);
        n_cases++;
    }
    assert_true(feof(f));
    fclose(f);
    assert_int_equal(n_cases, N_CASES);
}

static void nothing_in_nothing_out(void **state)
{
    (void)state;
    struct detection out[300];
    struct box box = {0, 0, 10, 10};
    float score = 0.25f; /* the threshold itself is not above it */
    assert_int_equal(nms(&people, &box, &score, 0, 1, out), 0);
    assert_int_equal(nms(&people, &box, &score, 1, 1, out), 0);
}

static void what_is_not_a_number_is_never_a_candidate(void **state)
{
    (void)state;
    struct detection out[300];
    struct box boxes[] = {{0, 0, 10, 10}, {20, 0, 30, 10}, {NAN, 0, 10, 10}, {0, 0, INFINITY, 10}};
    float scores[] = {NAN, 0.5f, 0.9f, 0.9f};
    assert_int_equal(nms(&people, boxes, scores, 4, 1, out), 1);
    assert_true(out[0].box.x1 == 20.0f);
    float two_classes[] = {NAN, 0, 0, 0, 0.4f, 0, 0, 0}; /* class 0 NaN, class 1 fine */
    assert_int_equal(nms(&people, boxes, two_classes, 4, 2, out), 1);
    assert_int_equal(out[0].class_id, 1);
}

static void classes_do_not_suppress_each_other(void **state)
{
    (void)state;
    struct detection out[300];
    struct box boxes[] = {{0, 0, 10, 10}, {0, 0, 10, 10}};
    float scores[] = {0.9f, 0.1f, 0.1f, 0.8f};
    assert_int_equal(nms(&people, boxes, scores, 2, 2, out), 2);
    float same[] = {0.9f, 0.8f};
    assert_int_equal(nms(&people, boxes, same, 2, 1, out), 1);
    assert_true(out[0].score == 0.9f);
}

static void equal_scores_go_by_anchor_then_class(void **state)
{
    (void)state;
    struct detection out[300];
    struct box boxes[] = {{100, 0, 110, 10}, {0, 0, 10, 10}};
    float scores[] = {0.5f, 0.5f, 0.5f, 0.5f};
    struct nms_options o = people;
    o.multi_label = true;
    assert_int_equal(nms(&o, boxes, scores, 2, 2, out), 4);
    for (int i = 0; i < 4; i++) {
        assert_true(out[i].box.x1 == boxes[i / 2].x1);
        assert_int_equal(out[i].class_id, i % 2);
    }
    assert_int_equal(nms(&people, boxes, scores, 2, 2, out), 2); /* one class an anchor, the first of equals */
    assert_int_equal(out[0].class_id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_torchvision_keeps),     cmocka_unit_test(nothing_in_nothing_out),
        cmocka_unit_test(what_is_not_a_number_is_never_a_candidate), cmocka_unit_test(classes_do_not_suppress_each_other),
        cmocka_unit_test(equal_scores_go_by_anchor_then_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
