#include <math.h>
#include <string.h>

#include "unit.h"

#include "image/draw.h"

static const char *const names[] = {"cat", "a class with a name that is far longer than any picture is wide, really",
                                    "\xc3\xa9t\xc3\xa9"};

static int n_changed(const struct image *im)
{
    int n = 0;
    for (int i = 0; i < im->w * im->h; i++)
        n += im->px[i * 3] != 77 || im->px[i * 3 + 1] != 77 || im->px[i * 3 + 2] != 77;
    return n;
}

static void draws_an_outline_and_a_label(void **state)
{
    (void)state;
    struct image im;
    image_init(&im, 200, 100);
    memset(im.px, 77, 200 * 100 * 3);
    const struct detection d = {{20, 40, 120, 90}, 0.87f, 0};
    draw_detections(&im, &d, 1, names, 3);
    const uint8_t *corner = im.px + (40 * 200 + 60) * 3, *inside = im.px + (65 * 200 + 70) * 3;
    assert_true(corner[0] != 77 || corner[1] != 77);
    assert_int_equal(inside[0], 77);
    assert_true(n_changed(&im) > 2 * 2 * (100 + 46) + 300); /* the outline and the filled label */
    image_free(&im);
}

/* Whatever comes in, nothing outside the picture is touched (AddressSanitizer) and no number overflows. */
static void survives_any_box(void **state)
{
    (void)state;
    static const struct detection odd[] = {
        {{-50, -50, 5, 5}, 0.5f, 1},    {{90, 40, 500, 500}, 1, 2},     {{0, 0, 0, 0}, 0, 99},
        {{1e30f, 0, -1e30f, 1}, 0, -1}, {{NAN, NAN, NAN, NAN}, NAN, 0}, {{50, 20, 10, 5}, 0.1f, 2000000000},
    };
    static const int sizes[][2] = {{1, 1}, {3, 200}, {100, 50}, {1600, 20}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct image im;
        image_init(&im, sizes[i][0], sizes[i][1]);
        draw_detections(&im, odd, COUNT(odd), names, 3);
        image_free(&im);
    }
}

static void classes_have_their_own_colours(void **state)
{
    (void)state;
    uint8_t seen[24][3];
    for (int c = 0; c < 24; c++) {
        struct image im;
        image_init(&im, 60, 60);
        const struct detection d = {{0, 0, 60, 60}, 0.5f, c};
        draw_detections(&im, &d, 1, names, 0);
        memcpy(seen[c], im.px + (59 * 60 + 30) * 3, 3);
        image_free(&im);
        for (int k = 0; k < c; k++)
            if (memcmp(seen[k], seen[c], 3) == 0)
                fail_msg("classes %d and %d have the same colour", k, c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_an_outline_and_a_label),
        cmocka_unit_test(survives_any_box),
        cmocka_unit_test(classes_have_their_own_colours),
    };
    return cmocka_run_group_tests_name("draw", tests, NULL, NULL);
}
