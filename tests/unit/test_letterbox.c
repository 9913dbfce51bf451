#include <math.h>
#include <string.h>

#include "unit.h"

#include "image/letterbox.h"

static void plans(void **state)
{
    (void)state;
    static const struct {
        int image_w, image_h, net_w, net_h, may_enlarge, w, h, left, top;
        float gain;
    } cases[] = {
        {640, 480, 320, 320, 1, 320, 240, 0, 40, 0.5f},
        {480, 640, 320, 320, 1, 240, 320, 40, 0, 0.5f},
        {640, 428, 320, 320, 1, 320, 214, 0, 53, 0.5f},
        {640, 427, 320, 320, 1, 320, 214, 0, 53, 0.5f}, /* 213.5: ties to even */
        {640, 429, 320, 320, 1, 320, 214, 0, 53, 0.5f}, /* 214.5: ties to even */
        {640, 430, 320, 320, 1, 320, 215, 0, 52, 0.5f}, /* 105 rows to share: the odd one goes below */
        {100, 50, 320, 320, 1, 320, 160, 0, 80, 3.2f},
        {100, 50, 320, 320, 0, 100, 50, 110, 135, 1},
        {320, 320, 320, 320, 0, 320, 320, 0, 0, 1},
        {16000, 3, 320, 320, 1, 320, 1, 0, 159, 0.02f},
        {480, 640, 352, 256, 1, 192, 256, 80, 0, 0.4f},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct letterbox l =
            letterbox_plan(cases[i].image_w, cases[i].image_h, cases[i].net_w, cases[i].net_h, cases[i].may_enlarge);
        if (l.w != cases[i].w || l.h != cases[i].h || l.left != cases[i].left || l.top != cases[i].top ||
            !(fabsf(l.gain_x - cases[i].gain) <= 1e-6f) || l.gain_x != l.gain_y)
            fail_msg("case %zu: %dx%d at %d,%d gain %g", i, l.w, l.h, l.left, l.top, (double)l.gain_x);
    }
}

static void pads_with_grey(void **state)
{
    (void)state;
    struct image in, out;
    image_init(&in, 8, 4);
    memset(in.px, 200, 8 * 4 * 3);
    struct letterbox l = letterbox_plan(8, 4, 16, 16, true);
    letterbox_apply(&l, &in, &out);
    assert_int_equal(out.w, 16);
    assert_int_equal(out.h, 16);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16 * 3; x++)
            assert_int_equal(out.px[y * 48 + x], y >= 4 && y < 12 ? 200 : LETTERBOX_GREY);
    image_free(&in);
    image_free(&out);
}

static void boxes_round_trip(void **state)
{
    (void)state;
    struct letterbox l = letterbox_plan(640, 427, 320, 320, true);
    struct box b = {10, 20, 630, 400}, back = letterbox_to_image(&l, letterbox_to_net(&l, b));
    assert_true(fabsf(back.x1 - b.x1) <= 1e-3f && fabsf(back.y1 - b.y1) <= 1e-3f && fabsf(back.x2 - b.x2) <= 1e-3f &&
                fabsf(back.y2 - b.y2) <= 1e-3f);
    struct box outside = letterbox_to_image(&l, (struct box){-50, -50, 400, 400});
    assert_true(outside.x1 == 0.0f && outside.y1 == 0.0f && outside.x2 == 640.0f && outside.y2 == 427.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans),
        cmocka_unit_test(pads_with_grey),
        cmocka_unit_test(boxes_round_trip),
    };
    return cmocka_run_group_tests_name("letterbox", tests, NULL, NULL);
}
