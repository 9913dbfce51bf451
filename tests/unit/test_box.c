#include <math.h>

#include "unit.h"

#include "image/box.h"

static void iou_of_known_pairs(void **state)
{
    (void)state;
    static const struct {
        struct box a, b;
        float iou;
    } cases[] = {
        {{0, 0, 10, 10}, {0, 0, 10, 10}, 1},  {{0, 0, 10, 10}, {5, 0, 15, 10}, 1.0f / 3},
        {{0, 0, 10, 10}, {10, 0, 20, 10}, 0}, {{0, 0, 10, 10}, {20, 20, 30, 30}, 0},
        {{0, 0, 4, 4}, {1, 1, 3, 3}, 0.25f},  {{0, 0, 0, 0}, {0, 0, 0, 0}, 0},
        {{5, 5, 5, 9}, {5, 5, 5, 9}, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (!(fabsf(box_iou(cases[i].a, cases[i].b) - cases[i].iou) <= 1e-6f) ||
            !(fabsf(box_iou(cases[i].b, cases[i].a) - cases[i].iou) <= 1e-6f))
            fail_msg("case %zu: %g, wanted %g", i, (double)box_iou(cases[i].a, cases[i].b), (double)cases[i].iou);
    }
}

static void area_is_never_negative(void **state)
{
    (void)state;
    assert_true(box_area((struct box){1, 1, 4, 3}) == 6.0f);
    assert_true(box_area((struct box){4, 1, 1, 3}) == 0.0f);
}

static void clipping_stays_inside(void **state)
{
    (void)state;
    struct box b = box_clip((struct box){-5, 2, 30, 40}, 20, 10);
    assert_true(b.x1 == 0.0f && b.y1 == 2.0f && b.x2 == 20.0f && b.y2 == 10.0f);
    b = box_clip((struct box){25, 12, 30, 40}, 20, 10);
    assert_true(box_area(b) == 0.0f);
}

static void labels_and_boxes_round_trip(void **state)
{
    (void)state;
    struct label l = {3, 0.5f, 0.25f, 0.2f, 0.1f};
    struct box b = box_of_label(l, 640, 480);
    assert_true(fabsf(b.x1 - 256) <= 1e-3f && fabsf(b.y1 - 96) <= 1e-3f && fabsf(b.x2 - 384) <= 1e-3f &&
                fabsf(b.y2 - 144) <= 1e-3f);
    struct label back = label_of_box(3, b, 640, 480);
    assert_int_equal(back.class_id, 3);
    assert_true(fabsf(back.x - l.x) <= 1e-6f && fabsf(back.y - l.y) <= 1e-6f && fabsf(back.w - l.w) <= 1e-6f &&
                fabsf(back.h - l.h) <= 1e-6f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iou_of_known_pairs),
        cmocka_unit_test(area_is_never_negative),
        cmocka_unit_test(clipping_stays_inside),
        cmocka_unit_test(labels_and_boxes_round_trip),
    };
    return cmocka_run_group_tests_name("box", tests, NULL, NULL);
}
