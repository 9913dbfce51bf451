#include <math.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "pipeline/gate.h"

/* The published model has 0.80 on today's images where it is compared with. */
static const struct {
    double map50, min_map50, max_drop;
    bool is_compared, passes;
    const char *words;
} cases[] = {
    {0.50, 0.00, 1.00, false, true, ""},
    {0.00, 0.00, 1.00, true, true, ""},
    {0.50, 0.50, 1.00, false, true, ""},
    {0.4999, 0.50, 1.00, false, false, "mAP50 0.4999 is below min-map50 0.5000"},
    {0.70, 0.00, 0.11, true, true, ""},
    {0.70, 0.00, 0.10, true, true, ""}, /* exactly what is allowed */
    {0.70, 0.00, 0.09, true, false,
     "mAP50 0.7000 is 0.1000 below that of the latest version aaaaaaaaaaaa-bbbbbbbb on the same images, more than max-map50-drop 0.0900"},
    {0.70, 0.00, 0.00, false, true, ""}, /* nothing to compare with */
    {0.80, 0.00, 0.00, true, true, ""},  /* equal is no drop */
    {0.90, 0.95, 0.00, true, false, "below min-map50"},
    {NAN, 0.00, 1.00, true, false, "not published"}, /* not a number is never good enough */
    {NAN, 0.00, 1.00, false, false, "not published"},
};

static void refuses_only_worse_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c = {.min_map50 = cases[i].min_map50, .max_map50_drop = cases[i].max_drop};
        struct comparison x = {.version = "aaaaaaaaaaaa-bbbbbbbb", .n_classes = cases[i].is_compared, .before = 0.8, .now = cases[i].map50};
        struct error e = {0};
        bool passes = gate_check(&c, cases[i].map50, &x, &e);
        if (passes != cases[i].passes)
            fail_msg("case %zu: %s", i, passes ? "passed" : e.message);
        if (!passes && (e.code != ERR_GATE || !strstr(e.message, cases[i].words)))
            fail_msg("case %zu says: %s", i, e.message);
    }
}

/* Classes as "name map50 boxes". What is compared are those that both know and that have boxes today. */
static const struct {
    const char *theirs, *ours;
    int n;
    bool is_partial;
    double before, now;
} classes[] = {
    {"a .8 5, b .4 5", "a .6 5, b .6 5", 2, false, 0.6, 0.6},
    {"b .4 5, a .8 5", "a .6 5, b .6 5", 2, false, 0.6, 0.6}, /* other order */
    {"a .8 5", "a .6 5, b .2 5", 1, true, 0.8, 0.6},          /* b is new: it does not count against ours */
    {"a .8 5, b .4 0", "a .6 5", 1, true, 0.8, 0.6},          /* b was removed */
    {"a .8 5, c .9 0", "a .6 5, b .9 5", 1, true, 0.8, 0.6},  /* renamed */
    {"a .8 5, b 0 0", "a .6 5, b 0 0", 1, false, 0.8, 0.6},   /* no box of b is held back today */
    {"x .8 5", "a .6 5", 0, true, 0, 0},
    {"", "a .6 5", 0, true, 0, 0},
};

static struct json *per_class(const char *text)
{
    struct json *out = json_new_array();
    struct str rest = str_of(text), one;
    while (str_cut(&rest, ',', &one)) {
        char name[8];
        double map50, boxes;
        struct json *row = json_new_object();
        struct arena a = {0};
        if (sscanf(str_dup(&a, one), " %7s %lf %lf", name, &map50, &boxes) != 3)
            fail_msg("%s", text);
        json_set(row, "name", json_new_string(name));
        json_set(row, "map50", json_new_number(map50));
        json_set(row, "map50_95", json_new_number(map50 / 2));
        json_set(row, "boxes", json_new_number(boxes));
        json_append(out, row);
        arena_free(&a);
    }
    return out;
}

static void compares_the_classes_that_both_know(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct json *theirs = per_class(classes[i].theirs), *ours = per_class(classes[i].ours);
        struct comparison x = {0};
        compare_classes(theirs, ours, &x);
        bool same = x.n_classes == classes[i].n && x.is_partial == classes[i].is_partial &&
                    fabs(x.before - classes[i].before) < 1e-12 && fabs(x.now - classes[i].now) < 1e-12 &&
                    fabs(x.now_50_95 - x.now / 2) < 1e-12 && fabs(x.before_50_95 - x.before / 2) < 1e-12;
        if (!same)
            fail_msg("case %zu: %d classes, partial %d, before %g, now %g", i, x.n_classes, x.is_partial, x.before, x.now);
        json_free(theirs);
        json_free(ours);
    }
}

static const struct {
    int n_images;
    double per_second, ratio, left;
    bool fits;
} times[] = {
    {40, 50, 1, 3600, true},
    {40, 50, 1, 0, true},      /* a second: the budget's reserve covers it */
    {5000, 50, 1, 120, true},  /* 100 s of 120 */
    {5000, 50, 1, 60, false},
    {5000, 50, 2, 120, false}, /* twice the side, four times the work */
    {5000, 50, 0.5, 10, true},
    {5000, 0, 1, 0, true},     /* speed not known */
};

static void takes_no_longer_than_there_is_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        struct error e = {0};
        if (compare_has_time(times[i].n_images, times[i].per_second, times[i].ratio, times[i].left, &e) != times[i].fits)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_only_worse_models),
        cmocka_unit_test(compares_the_classes_that_both_know),
        cmocka_unit_test(takes_no_longer_than_there_is_time),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
