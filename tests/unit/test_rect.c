/* Rectangular validation: the layouts that the reference recipe's own loader makes (tests/golden/rect/make.py). */
#include <math.h>
#include <stdio.h>

#include "unit.h"

#include "train/rect.h"

#define CASES "tests/golden/rect/cases.txt"
#define MAX_IMAGES 64

static void check_case(FILE *f, const char *name, int n, int size, int group)
{
    struct sample samples[MAX_IMAGES] = {0};
    const struct sample *order[MAX_IMAGES];
    struct letterbox fits[MAX_IMAGES];
    assert_true(n <= MAX_IMAGES);
    for (int i = 0; i < n; i++) {
        assert_int_equal(fscanf(f, "%d %d", &samples[i].w, &samples[i].h), 2);
        order[i] = &samples[i];
    }
    rect_plan(order, n, size, group, fits);
    for (int i = 0; i < n; i++) {
        int image, net_w, net_h, w, h, left, top;
        assert_int_equal(fscanf(f, "%d %d %d %d %d %d %d", &image, &net_w, &net_h, &w, &h, &left, &top), 7);
        const struct letterbox *l = &fits[i];
        if (order[i] != &samples[image] || l->net_w != net_w || l->net_h != net_h || l->w != w || l->h != h || l->left != left ||
            l->top != top)
            fail_msg("%s: place %d has image %d in %dx%d, %dx%d at %d,%d; wanted image %d in %dx%d, %dx%d at %d,%d", name, i,
                     (int)(order[i] - samples), l->net_w, l->net_h, l->w, l->h, l->left, l->top, image, net_w, net_h, w, h, left,
                     top);
        if (net_w > size + RECT_MARGIN || net_h > size + RECT_MARGIN)
            fail_msg("%s: an input of %dx%d for images of %d", name, net_w, net_h, size);
    }
}

static void lays_out_as_the_reference_does(void **state)
{
    (void)state;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    char name[32];
    int n, size, group, n_cases = 0;
    while (fscanf(f, " case %31s %d %d %d", name, &n, &size, &group) == 4) {
        check_case(f, name, n, size, group);
        n_cases++;
    }
    assert_true(feof(f));
    fclose(f);
    assert_int_equal(n_cases, 8);
}

static void equal_aspects_keep_their_order(void **state)
{
    (void)state;
    struct sample s[3] = {{.w = 640, .h = 480}, {.w = 10, .h = 20}, {.w = 320, .h = 240}};
    const struct sample *order[3] = {&s[0], &s[1], &s[2]};
    struct letterbox fits[3];
    rect_plan(order, 3, 320, 1, fits);
    assert_true(order[0] == &s[0] && order[1] == &s[2] && order[2] == &s[1]);
    rect_plan(order, 0, 320, 1, fits);
}

/* The image's corners lie on the corners of its part of the input, although each axis was rounded by itself. */
static void corners_map_to_corners(void **state)
{
    (void)state;
    struct letterbox l = letterbox_plan_loaded(640, 481, 320, 352, 288);
    assert_true(l.w == 320 && l.h == 241 && l.left == 16 && l.top == 23);
    struct box whole = letterbox_to_image(&l, (struct box){16, 23, 336, 264});
    assert_true(whole.x1 == 0 && whole.y1 == 0);
    if (!(fabsf(whole.x2 - 640) <= 640 * 2e-7f) || !(fabsf(whole.y2 - 481) <= 481 * 2e-7f))
        fail_msg("corner at %g, %g", (double)whole.x2, (double)whole.y2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_out_as_the_reference_does),
        cmocka_unit_test(equal_aspects_keep_their_order),
        cmocka_unit_test(corners_map_to_corners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
