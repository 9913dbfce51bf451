/* Mean average precision: by hand at the edges, and against the validators of two versions of ultralytics and COCO's tool
 * on the same detections (tests/golden/map/make.py). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "detector/map.h"

#define SIDE 1024 /* of every image */
#define PERFECT 0.995 /* recall 1 is the curve's end, where its precision is 0: the last of 100 trapezoids is a triangle */

static const struct box here = {0, 0, 10, 10}, there = {100, 100, 120, 120};
static struct arena arena;

static void near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.12g, wanted %.12g +- %g", what, got, want, tolerance);
}

static struct metrics of_one_image(enum map_rule rule, const struct detection *d, int n, const struct truth *t, int n_truths)
{
    struct metrics r;
    struct map *m = map_open(2);
    map_add_image(m, SIDE, SIDE, d, n, t, n_truths);
    map_compute(m, rule, &arena, &r);
    map_close(m);
    return r;
}

static void nothing_at_all(void **state)
{
    (void)state;
    struct metrics r;
    struct map *m = map_open(3);
    map_compute(m, MAP_RULE_CLASSIC, &arena, &r);
    assert_int_equal(r.n_images, 0);
    assert_int_equal(r.n_classes, 3);
    map_add_image(m, SIDE, SIDE, NULL, 0, NULL, 0);
    map_compute(m, MAP_RULE_CLASSIC, &arena, &r);
    map_close(m);
    assert_int_equal(r.n_images, 1);
    assert_true(r.map50 == 0 && r.map50_95 == 0 && r.precision == 0 && r.recall == 0);
    for (int c = 0; c < 3; c++)
        assert_int_equal(r.per_class[c].n_boxes, 0);
    map_close(NULL);
}

static void labels_without_detections_and_the_reverse(void **state)
{
    (void)state;
    const struct truth t = {here, 0};
    const struct detection d = {here, 0.9f, 0};
    struct metrics missed = of_one_image(MAP_RULE_CLASSIC, NULL, 0, &t, 1);
    assert_true(missed.map50 == 0 && missed.recall == 0);
    assert_int_equal(missed.per_class[0].n_boxes, 1);
    struct metrics invented = of_one_image(MAP_RULE_CLASSIC, &d, 1, NULL, 0);
    assert_true(invented.map50 == 0 && invented.map50_95 == 0);
}

static void perfect_and_classes_without_labels(void **state)
{
    (void)state;
    const struct truth t[] = {{here, 0}, {there, 0}};
    const struct detection d[] = {{here, 0.9f, 0}, {there, 0.8f, 0}, {there, 0.7f, 1}};
    for (int rule = 0; rule < MAP_RULES; rule++) {
        struct metrics r = of_one_image((enum map_rule)rule, d, 3, t, 2); /* class 1 has no label: left out of the mean */
        near("map50", r.map50, rule == MAP_RULE_COCO ? 1 : PERFECT, 1e-9);
        near("map50_95", r.map50_95, rule == MAP_RULE_COCO ? 1 : PERFECT, 1e-9);
        near("precision", r.precision, 1, 1e-9);
        near("recall", r.recall, 1, 1e-9);
        assert_int_equal(r.per_class[0].n_boxes, 2);
    }
}

static void a_wrong_class_is_no_hit(void **state)
{
    (void)state;
    const struct truth t = {here, 0};
    const struct detection d = {here, 0.9f, 1};
    assert_true(of_one_image(MAP_RULE_CLASSIC, &d, 1, &t, 1).map50 == 0);
}

/* IoU 0.6 counts at 0.50, 0.55 and 0.60: three of ten thresholds. */
static void overlap_decides_the_thresholds(void **state)
{
    (void)state;
    const struct truth t = {here, 0};
    const struct detection d = {{0, 0, 10, 6.0001f}, 0.9f, 0};
    struct metrics r = of_one_image(MAP_RULE_STRICT, &d, 1, &t, 1);
    near("map50", r.map50, PERFECT, 1e-9);
    near("map50_95", r.map50_95, 0.3 * PERFECT, 1e-9);
}

/* Of two boxes on one label the surer one is the hit where it overlaps enough: IoU 0.9 up to 0.90, so at nine thresholds of
 * ten (0.95 is the nearer one's, behind a miss). */
static void duplicates_count_once(void **state)
{
    (void)state;
    const struct truth t = {here, 0};
    const struct detection d[] = {{{0, 0, 10, 9.001f}, 0.9f, 0}, {here, 0.8f, 0}};
    struct metrics r = of_one_image(MAP_RULE_CLASSIC, d, 2, &t, 1);
    near("surer first", r.map50, PERFECT, 1e-9);
    near("nearer at the end", r.map50_95, 0.9 * PERFECT + 0.1 * 0.5 * PERFECT, 1e-9);
    const struct detection swapped[] = {{here, 0.9f, 0}, {{0, 0, 10, 9}, 0.8f, 0}};
    near("hit first", of_one_image(MAP_RULE_CLASSIC, swapped, 2, &t, 1).map50, PERFECT, 1e-9);
}

/* Both detections overlap the first label most. The surer one takes it; the other is a miss by the classic rule, and by the
 * strict one takes the second label, which it fits too (IoU 0.74). */
static void the_rules_differ_when_the_best_label_is_taken(void **state)
{
    (void)state;
    const struct truth t[] = {{{0, 0, 10, 10}, 0}, {{0, 2, 10, 12}, 0}};
    const struct detection d[] = {{{0, 0, 10, 10}, 0.9f, 0}, {{0, 0.5f, 10, 10.5f}, 0.8f, 0}};
    near("classic recall", of_one_image(MAP_RULE_CLASSIC, d, 2, t, 2).recall, 0.5, 1e-9);
    struct metrics r = of_one_image(MAP_RULE_STRICT, d, 2, t, 2);
    near("strict recall", r.recall, 1, 1e-9);
    near("map50", r.map50, PERFECT, 1e-9);
    near("map50_95", r.map50_95, 0.5 * PERFECT + 0.5 * 0.495, 1e-9); /* from 0.75 on: 49 trapezoids and the step's half */
}

/* Equal overlaps go to the first detection, equal scores by image and detection: adding images in the same order gives
 * the same numbers to the last bit. */
static void ties_are_settled_by_order(void **state)
{
    (void)state;
    const struct truth t = {here, 0};
    const struct detection same[] = {{here, 0.5f, 0}, {here, 0.5f, 0}};
    near("first of equals", of_one_image(MAP_RULE_CLASSIC, same, 2, &t, 1).map50, PERFECT, 1e-9);

    double values[2];
    for (int round = 0; round < 2; round++) {
        struct map *m = map_open(2);
        struct metrics r;
        const struct detection miss = {there, 0.5f, 0}, hit = {here, 0.5f, 0};
        map_add_image(m, SIDE, SIDE, round ? &hit : &miss, 1, &t, 1);
        map_add_image(m, SIDE, SIDE, round ? &miss : &hit, 1, &t, 1);
        map_compute(m, MAP_RULE_STRICT, &arena, &r);
        map_close(m);
        values[round] = r.map50;
    }
    near("miss in the first image", values[0], 0.5 * 0.495, 1e-9);
    near("hit in the first image", values[1], 0.495, 1e-9);
}

/* Thirty labels on one spot, thirty detections on it: by the classic rule all look at one label. */
static void crowds_terminate(void **state)
{
    (void)state;
    struct truth t[30];
    struct detection d[30];
    for (int i = 0; i < 30; i++) {
        t[i] = (struct truth){here, 0};
        d[i] = (struct detection){here, 0.9f, 0};
    }
    near("classic recall", of_one_image(MAP_RULE_CLASSIC, d, 30, t, 30).recall, 1.0 / 30, 1e-9);
    struct metrics r = of_one_image(MAP_RULE_STRICT, d, 30, t, 30);
    near("strict recall", r.recall, 1, 1e-9);
    assert_int_equal(r.per_class[0].n_boxes, 30);
}

/* Nothing beyond a recall of 1/2: classic goes on linearly from there to (1,0), strict stops. */
static void the_rules_differ_beyond_the_reached_recall(void **state)
{
    (void)state;
    const struct truth t[] = {{here, 0}, {there, 0}};
    const struct detection d = {here, 0.9f, 0};
    near("classic", of_one_image(MAP_RULE_CLASSIC, &d, 1, t, 2).map50, 0.75, 1e-9);
    near("strict", of_one_image(MAP_RULE_STRICT, &d, 1, t, 2).map50, 0.495, 1e-9);
}

/* ---- against other programs --------------------------------------------------------------------------------------- */

static const struct {
    const char *file;
    enum map_rule rule;
} tools[] = {
    {"tests/golden/map/ultralytics-8.4.190.txt", MAP_RULE_STRICT},
    {"tests/golden/map/ultralytics-8.3.63.txt", MAP_RULE_CLASSIC},
    {"tests/golden/map/pycocotools.txt", MAP_RULE_COCO},
};
#define SCENES "tests/golden/map/scenes.txt"
#define N_SCENES 28
#define TOLERANCE 1e-8 /* precision and recall are read off at scores, which are floats here and doubles there */

static void read_image(FILE *f, struct map *m)
{
    int n, n_truths;
    assert_int_equal(fscanf(f, " image %d %d", &n, &n_truths), 2);
    struct detection *d = mem_alloc((size_t)n * sizeof *d);
    struct truth *t = mem_alloc((size_t)n_truths * sizeof *t);
    for (int i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%d %f %f %f %f %f", &d[i].class_id, &d[i].score, &d[i].box.x1, &d[i].box.y1, &d[i].box.x2,
                                &d[i].box.y2), 6);
    for (int i = 0; i < n_truths; i++)
        assert_int_equal(fscanf(f, "%d %f %f %f %f", &t[i].class_id, &t[i].box.x1, &t[i].box.y1, &t[i].box.x2, &t[i].box.y2), 5);
    map_add_image(m, SIDE, SIDE, d, n, t, n_truths);
    mem_free(d);
    mem_free(t);
}

static void compare(FILE *f, const char *file, const char *scene, const struct metrics *r)
{
    char name[64];
    double w[4];
    assert_int_equal(fscanf(f, " scene %63s %lf %lf %lf %lf", name, &w[0], &w[1], &w[2], &w[3]), 5);
    assert_string_equal(name, scene);
    for (int c = -1; c < r->n_classes; c++) {
        const struct class_metrics *k = c < 0 ? NULL : &r->per_class[c];
        if (k)
            assert_int_equal(fscanf(f, "%lf %lf %lf %lf", &w[0], &w[1], &w[2], &w[3]), 4);
        const double got[4] = {k ? k->map50 : r->map50, k ? k->map50_95 : r->map50_95, k ? k->precision : r->precision,
                               k ? k->recall : r->recall};
        for (int i = 0; i < 4; i++)
            if (!(fabs(got[i] - w[i]) <= TOLERANCE))
                fail_msg("%s, %s, class %d, figure %d: %.9g, wanted %.9g", file, scene, c, i, got[i], w[i]);
    }
}

static void agrees_with_other_programs(void **state)
{
    (void)state;
    FILE *f = fopen(SCENES, "r"), *wanted[COUNT(tools)];
    assert_non_null(f);
    for (size_t i = 0; i < COUNT(tools); i++)
        assert_non_null(wanted[i] = fopen(tools[i].file, "r"));
    char name[64];
    int n_classes, n_images, n_scenes = 0;
    while (fscanf(f, " scene %63s %d %d", name, &n_classes, &n_images) == 3) {
        struct map *m = map_open(n_classes);
        for (int i = 0; i < n_images; i++)
            read_image(f, m);
        for (size_t i = 0; i < COUNT(tools); i++) {
            struct metrics r;
            map_compute(m, tools[i].rule, &arena, &r);
            compare(wanted[i], tools[i].file, name, &r);
        }
        map_close(m);
        n_scenes++;
    }
    assert_true(feof(f));
    fclose(f);
    for (size_t i = 0; i < COUNT(tools); i++)
        fclose(wanted[i]);
    assert_int_equal(n_scenes, N_SCENES);
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(labels_without_detections_and_the_reverse),
        cmocka_unit_test(perfect_and_classes_without_labels),
        cmocka_unit_test(a_wrong_class_is_no_hit),
        cmocka_unit_test(overlap_decides_the_thresholds),
        cmocka_unit_test(duplicates_count_once),
        cmocka_unit_test(the_rules_differ_when_the_best_label_is_taken),
        cmocka_unit_test(ties_are_settled_by_order),
        cmocka_unit_test(crowds_terminate),
        cmocka_unit_test(the_rules_differ_beyond_the_reached_recall),
        cmocka_unit_test(agrees_with_other_programs),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
