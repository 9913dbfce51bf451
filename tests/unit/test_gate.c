#include <math.h>
#include <string.h>

#include "unit.h"

#include "pipeline/publish_model.h"

/* latest = 0.80 where it is given */
static const struct {
    double map50, min_map50, max_drop;
    bool has_latest, passes;
    const char *words;
} cases[] = {
    {0.50, 0.00, 1.00, false, true, ""},
    {0.00, 0.00, 1.00, true, true, ""},
    {0.50, 0.50, 1.00, false, true, ""},
    {0.4999, 0.50, 1.00, false, false, "mAP50 0.4999 is below min-map50 0.5000"},
    {0.70, 0.00, 0.11, true, true, ""},
    {0.70, 0.00, 0.10, true, true, ""}, /* exactly what is allowed */
    {0.70, 0.00, 0.09, true, false, "0.1000 below that of the latest version aaaaaaaaaaaa-bbbbbbbb, more than max-map50-drop 0.0900"},
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
        struct job j = {.config = &c};
        struct trained t = {.best = {.map50 = cases[i].map50}};
        struct error e = {0};
        if (cases[i].has_latest)
            assert_true(json_parse(STR_LIT("{\"version\":\"aaaaaaaaaaaa-bbbbbbbb\",\"metrics\":{\"map50\":0.8}}"), "latest.json",
                                   &j.latest, &e));
        bool passes = gate_check(&j, &t, &e);
        if (passes != cases[i].passes)
            fail_msg("case %zu: %s", i, passes ? "passed" : e.message);
        if (!passes && (e.code != ERR_GATE || !strstr(e.message, cases[i].words)))
            fail_msg("case %zu says: %s", i, e.message);
        json_free(j.latest);
    }
}

static void latest_without_metrics_is_no_bar(void **state)
{
    (void)state;
    struct config c = {.max_map50_drop = 0};
    struct job j = {.config = &c};
    struct trained t = {0};
    struct error e = {0};
    assert_true(json_parse(STR_LIT("{\"metrics\":{\"map50\":null}}"), "latest.json", &j.latest, &e));
    assert_true(gate_check(&j, &t, &e));
    json_free(j.latest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_only_worse_models),
        cmocka_unit_test(latest_without_metrics_is_no_bar),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
