#include <math.h>

#include "unit.h"

#include "image/affine.h"

static void sincos_agrees_with_libm(void **state)
{
    (void)state;
    for (double d = -400; d <= 400; d += 0.37) {
        double s, c, r = d * 3.14159265358979323846 / 180;
        affine_sincos(d, &s, &c);
        if (!(fabs(s - sin(r)) <= 1e-12) || !(fabs(c - cos(r)) <= 1e-12))
            fail_msg("%g degrees: %.17g %.17g", d, s, c);
    }
}

static void no_change_is_a_shift(void **state)
{
    (void)state;
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    struct affine t = affine_draw(&(struct augment_options){0}, 640, 320, &r);
    assert_true(t.scale == 1.0 && t.m[0][0] == 1.0 && t.m[1][1] == 1.0 && t.m[0][1] == 0.0 && t.m[1][0] == 0.0);
    assert_true(t.shift[0] == 160.0 && t.shift[1] == 160.0 && t.centre[0] == 320.0 && t.centre[1] == 320.0);
}

static void inverse_is_inverse_and_ranges_hold(void **state)
{
    (void)state;
    const struct augment_options o = {.translate = 0.1f, .scale = 0.5f, .degrees = 30, .shear = 20};
    for (uint32_t i = 0; i < 1000; i++) {
        struct rng r = rng_at(7, RNG_TEST, 0, i);
        struct affine t = affine_draw(&o, 640, 320, &r);
        if (!(t.scale >= 0.5 && t.scale <= 1.5) || !(t.shift[0] >= 0.4 * 320 - 1e-3 && t.shift[0] <= 0.6 * 320 + 1e-3))
            fail_msg("draw %u: scale %g, shift %g", i, t.scale, t.shift[0]);
        for (int a = 0; a < 2; a++) {
            for (int b = 0; b < 2; b++) {
                double p = t.m[a][0] * t.inverse[0][b] + t.m[a][1] * t.inverse[1][b];
                if (!(fabs(p - (a == b)) <= 1e-9))
                    fail_msg("draw %u: m * inverse [%d][%d] = %g", i, a, b, p);
            }
        }
    }
}

static void extreme_options_stay_finite(void **state)
{
    (void)state;
    const struct augment_options o = {.translate = 1, .scale = 1, .degrees = 180, .shear = 89};
    for (uint32_t i = 0; i < 2000; i++) {
        struct rng r = rng_at(7, RNG_TEST, 1, i);
        struct affine t = affine_draw(&o, 640, 320, &r);
        for (int k = 0; k < 4; k++) {
            if (!(fabs(t.inverse[k / 2][k % 2]) <= 1e6))
                fail_msg("draw %u: inverse %g", i, t.inverse[k / 2][k % 2]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sincos_agrees_with_libm),
        cmocka_unit_test(no_change_is_a_shift),
        cmocka_unit_test(inverse_is_inverse_and_ranges_hold),
        cmocka_unit_test(extreme_options_stay_finite),
    };
    return cmocka_run_group_tests_name("affine", tests, NULL, NULL);
}
