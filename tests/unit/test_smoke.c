#include "unit.h"

#include "pipeline/job.h"

static struct dataset make(struct arena *a, int n, int every_labelled, int n_val)
{
    struct dataset d = {.n_samples = n, .n_train = n - n_val, .n_val = n_val};
    struct label *l = ARENA_NEW(a, struct label, 1);
    d.samples = ARENA_NEW(a, struct sample, (size_t)n);
    for (int i = 0; i < n; i++)
        d.samples[i] = (struct sample){.labels = l, .w = i, .n_labels = i % every_labelled == 0, .part = i < n_val ? PART_VAL : PART_TRAIN};
    return d;
}

static void takes_images_with_boxes_from_everywhere(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset d = make(&a, 1000, 2, 100);
    smoke_subset(&d, &a);
    assert_int_equal(d.n_train, 16);
    assert_int_equal(d.n_val, 8);
    assert_int_equal(d.n_samples, 24);
    int n_late = 0;
    for (int i = 0; i < d.n_samples; i++) {
        assert_int_equal(d.samples[i].n_labels, 1);
        n_late += d.samples[i].part == PART_TRAIN && d.samples[i].w >= 550; /* the second half of 100 to 999 */
    }
    assert_int_equal(n_late, 8);
    arena_free(&a);
}

static void takes_what_there_is(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset d = make(&a, 40, 20, 5); /* boxes on 0, held back, and 20, to train */
    smoke_subset(&d, &a);
    assert_int_equal(d.n_train, 16);
    assert_int_equal(d.n_val, 5);
    int n_boxes = 0;
    for (int i = 0; i < d.n_samples; i++)
        n_boxes += d.samples[i].n_labels;
    assert_int_equal(n_boxes, 2);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_images_with_boxes_from_everywhere),
        cmocka_unit_test(takes_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
