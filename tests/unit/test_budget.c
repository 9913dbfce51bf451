#include <math.h>

#include "unit.h"

#include "train/budget.h"

/* An hour, of which training began at its fifth minute; everything measured. */
static struct budget hour(void)
{
    return (struct budget){.end = 3600,
                           .length = 3600,
                           .opened = 300,
                           .is_far = true,
                           .batch_seconds = 2,
                           .validate_seconds = 10,
                           .save_seconds = 1,
                           .upload_seconds = 20,
                           .checkpoint_bytes = 72e6};
}

static void without_an_end_nothing_lacks(void **state)
{
    (void)state;
    struct budget b = {0};
    assert_false(budget_lacks(&b, 1e9, 1e9, 1e9));
    assert_true(isinf(budget_left(&b, 5, 1)));
    assert_int_equal(budget_jobs(&b, 5, 1e9), 1);
}

static void the_reserve_is_what_was_measured(void **state)
{
    (void)state;
    struct budget b = hour(), slow = hour(), unknown = {.end = 3600, .length = 3600, .is_far = true, .checkpoint_bytes = 72e6};
    assert_true(budget_reserve_to_stop(&b) >= 23 && budget_reserve_to_stop(&b) < 60);
    assert_true(budget_reserve_to_finish(&b) > budget_reserve_to_stop(&b));
    slow.upload_seconds = 200;
    assert_true(budget_reserve_to_stop(&slow) - budget_reserve_to_stop(&b) >= 180);
    assert_true(budget_reserve_to_stop(&unknown) >= 18 + 4); /* 72 MB to a store that nobody knows */
    unknown.is_far = false;
    assert_true(budget_reserve_to_stop(&unknown) < 18);
}

static void a_measure_only_grows(void **state)
{
    (void)state;
    double slowest = 0;
    budget_saw(&slowest, 3);
    budget_saw(&slowest, 2);
    assert_true(slowest == 3);
}

static void work_is_refused_when_it_ends_too_late(void **state)
{
    (void)state;
    struct budget b = hour();
    double reserve = budget_reserve_to_stop(&b);
    assert_false(budget_lacks(&b, 3600 - reserve - 11, 10, reserve));
    assert_true(budget_lacks(&b, 3600 - reserve - 9, 10, reserve));
    assert_true(budget_lacks(&b, 4000, 0, reserve));
    assert_true(budget_lacks(&b, NAN, 0, reserve)); /* a clock that nobody can trust stops training, not the other way */
}

/* A job of twenty seconds with a reserve of a minute: half of it is for training all the same. */
static void every_job_gets_on(void **state)
{
    (void)state;
    struct budget b = {.end = 120, .length = 20, .opened = 100, .is_far = true, .checkpoint_bytes = 300e6};
    assert_true(budget_reserve_to_stop(&b) > 60);
    assert_true(budget_left(&b, 100, budget_reserve_to_stop(&b)) == 10);
    assert_int_equal(budget_jobs(&b, 100, 1000), 1 + 99);
}

static void jobs_are_counted(void **state)
{
    (void)state;
    struct budget b = hour();
    double here = budget_left(&b, 300, budget_reserve_to_finish(&b)), each = budget_left(&b, 300, budget_reserve_to_stop(&b));
    assert_int_equal(budget_jobs(&b, 300, here), 1);
    assert_int_equal(budget_jobs(&b, 300, here + 1), 2);
    assert_int_equal(budget_jobs(&b, 300, each + here - 1), 2);
    assert_int_equal(budget_jobs(&b, 300, each + here + 1), 3);
    assert_int_equal(budget_jobs(&b, 300, 10 * each), 11); /* the last one also publishes */
    assert_true(budget_jobs(&b, 3599, here) >= 2);

    struct budget busy = {.end = 3600, .length = 3600, .opened = 3600}; /* what came before took the whole job */
    assert_int_equal(budget_jobs(&busy, 3600, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_end_nothing_lacks), cmocka_unit_test(the_reserve_is_what_was_measured),
        cmocka_unit_test(a_measure_only_grows),         cmocka_unit_test(work_is_refused_when_it_ends_too_late),
        cmocka_unit_test(every_job_gets_on),            cmocka_unit_test(jobs_are_counted),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
