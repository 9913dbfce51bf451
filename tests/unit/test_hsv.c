#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "image/hsv.h"

/* cv2 5.0.0: RGB -> HSV, three tables as in the YOLO recipe, HSV -> RGB. Its way back is in float and cut, ours is
 * exact and rounded, so the two may be 1 apart. */
enum { N = 20 };
static const uint8_t input[N][3] = {{0, 0, 0},       {255, 255, 255}, {255, 0, 0},     {0, 255, 0},    {0, 0, 255},
                                    {114, 114, 114}, {1, 0, 0},       {255, 254, 254}, {128, 128, 0},  {0, 1, 255},
                                    {255, 0, 1},     {200, 100, 50},  {50, 100, 200},  {100, 200, 50}, {10, 10, 11},
                                    {254, 255, 0},   {12, 34, 56},    {90, 80, 70},    {255, 255, 0},  {0, 255, 255}};
static const struct {
    double gain[3];
    uint8_t wanted[N][3];
} cases[] = {
    {{1, 1, 1},
     {{0, 0, 0},       {255, 255, 255}, {255, 0, 0},  {0, 255, 0},  {0, 0, 255},    {114, 114, 114}, {1, 0, 0},
      {255, 254, 254}, {128, 128, 0},   {0, 0, 255},  {255, 0, 0},  {200, 100, 50}, {50, 100, 200},  {100, 200, 50},
      {10, 10, 11},    {255, 255, 0},   {12, 34, 56}, {90, 79, 69}, {255, 255, 0},  {0, 254, 255}}},
    {{1.01, 0.5, 1.3}, {{0, 0, 0},       {255, 255, 255}, {255, 127, 127}, {127, 255, 127}, {132, 127, 255},
                        {148, 148, 148}, {1, 0, 0},       {255, 255, 255}, {166, 166, 83},  {132, 127, 255},
                        {255, 127, 127}, {255, 191, 159}, {159, 188, 255}, {191, 255, 159}, {13, 13, 14},
                        {255, 255, 127}, {43, 56, 72},    {117, 110, 104}, {255, 255, 127}, {127, 254, 255}}},
    {{0.99, 1.5, 0.7},
     {{0, 0, 0},       {178, 178, 178}, {178, 0, 0},  {5, 178, 0},  {0, 11, 178},  {79, 79, 79}, {0, 0, 0},
      {178, 177, 177}, {89, 86, 0},     {0, 11, 178}, {178, 0, 0},  {140, 42, 0},  {0, 55, 140}, {51, 140, 0},
      {6, 6, 7},       {178, 172, 0},   {0, 22, 39},  {62, 50, 41}, {178, 172, 0}, {0, 178, 172}}},
};

static void agrees_with_opencv(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsv t;
        uint8_t px[N][3];
        memcpy(px, input, sizeof px);
        hsv_init(&t, cases[i].gain[0], cases[i].gain[1], cases[i].gain[2]);
        hsv_apply(&t, px[0], N);
        for (int p = 0; p < N; p++)
            for (int k = 0; k < 3; k++)
                if (abs(px[p][k] - cases[i].wanted[p][k]) > 1)
                    fail_msg("case %zu pixel %d: %d,%d,%d", i, p, px[p][0], px[p][1], px[p][2]);
    }
}

static void unit_gains_keep_every_grey(void **state)
{
    (void)state;
    struct hsv t;
    hsv_init(&t, 1, 1, 1);
    for (int v = 0; v < 256; v++) {
        uint8_t px[3] = {(uint8_t)v, (uint8_t)v, (uint8_t)v};
        hsv_apply(&t, px, 1);
        for (int k = 0; k < 3; k++)
            assert_int_equal(px[k], v);
    }
}

/* 8-bit HSV loses a little on the way: hue has steps of two degrees. Also covers every table index. */
static void unit_gains_change_little(void **state)
{
    (void)state;
    struct hsv t;
    hsv_init(&t, 1, 1, 1);
    for (int i = 0; i < 64 * 64 * 64; i++) {
        const uint8_t from[3] = {(uint8_t)(i % 64 * 255 / 63), (uint8_t)(i / 64 % 64 * 255 / 63),
                                 (uint8_t)(i / 4096 * 255 / 63)};
        uint8_t px[3] = {from[0], from[1], from[2]};
        hsv_apply(&t, px, 1);
        for (int k = 0; k < 3; k++)
            if (abs(px[k] - from[k]) > 5)
                fail_msg("%d,%d,%d became %d,%d,%d", from[0], from[1], from[2], px[0], px[1], px[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_opencv),
        cmocka_unit_test(unit_gains_keep_every_grey),
        cmocka_unit_test(unit_gains_change_little),
    };
    return cmocka_run_group_tests_name("hsv", tests, NULL, NULL);
}
