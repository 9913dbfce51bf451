/* Suppression against a plain greedy reference (tests/golden/nms/make.py) and by hand at the edges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "detector/nms.h"

#define CASES "tests/golden/nms/cases.txt"
#define MAX_ANCHORS 256
#define MAX_CLASSES 4

static const struct nms_options people = {.min_score = 0.25f, .max_iou = 0.7f, .max_candidates = 30000, .max_detections = 300};

static void check_case(FILE *f, const char *name, int n_anchors, int n_classes, const struct nms_options *o, int n_kept)
{
    static struct box boxes[MAX_ANCHORS];
    static float scores[MAX_CLASSES * MAX_ANCHORS];
    static struct detection out[300];
    assert_true(n_anchors <= MAX_ANCHORS && n_classes <= MAX_CLASSES && o->max_detections <= 300);
    for (int a = 0; a < n_anchors; a++) {
        struct box *b = &boxes[a];
        assert_int_equal(fscanf(f, "%f %f %f %f", &b->x1, &b->y1, &b->x2, &b->y2), 4);
        for (int c = 0; c < n_classes; c++)
            assert_int_equal(fscanf(f, "%f", &scores[c * n_anchors + a]), 1);
    }
    int n = nms(o, boxes, scores, n_anchors, n_classes, out);
    if (n != n_kept)
        fail_msg("%s: %d detections, wanted %d", name, n, n_kept);
    for (int i = 0; i < n; i++) {
        int a, c;
        assert_int_equal(fscanf(f, "%d %d", &a, &c), 2);
        if (out[i].class_id != c || !(out[i].score == scores[c * n_anchors + a]) || !(out[i].box.x1 == boxes[a].x1) ||
            !(out[i].box.y2 == boxes[a].y2))
            fail_msg("%s: detection %d has class %d, score %g; wanted anchor %d, class %d, score %g", name, i, out[i].class_id,
                     (double)out[i].score, a, c, (double)scores[c * n_anchors + a]);
    }
}

static void keeps_what_the_reference_keeps(void **state)
{
    (void)state;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    char name[32];
    int n_anchors, n_classes, multi, n_kept, n_cases = 0;
    struct nms_options o;
    while (fscanf(f, " case %31s %d %d %f %f %d %d %d %d", name, &n_anchors, &n_classes, &o.min_score, &o.max_iou, &multi,
                  &o.max_candidates, &o.max_detections, &n_kept) == 9) {
        o.multi_label = multi != 0;
        check_case(f, name, n_anchors, n_classes, &o, n_kept);
        n_cases++;
    }
    fclose(f);
    assert_int_equal(n_cases, 6);
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
        cmocka_unit_test(keeps_what_the_reference_keeps),     cmocka_unit_test(nothing_in_nothing_out),
        cmocka_unit_test(what_is_not_a_number_is_never_a_candidate), cmocka_unit_test(classes_do_not_suppress_each_other),
        cmocka_unit_test(equal_scores_go_by_anchor_then_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
