#include <math.h>
#include <string.h>

#include "unit.h"

#include "core/rng.h"
#include "image/image.h"
#include "image/resize.h"

static struct image noise(int w, int h)
{
    struct image im;
    image_init(&im, w, h);
    struct rng r = rng_at(1, RNG_TEST, (uint32_t)w, (uint32_t)h);
    for (size_t i = 0; i < (size_t)w * h * 3; i++)
        im.px[i] = (uint8_t)rng_below(&r, 256);
    return im;
}

/* The same geometry in double. */
static double reference(const struct image *im, int w, int h, int x, int y, int k)
{
    double u = fmin(fmax((x + 0.5) * im->w / w - 0.5, 0), im->w - 1);
    double v = fmin(fmax((y + 0.5) * im->h / h - 0.5, 0), im->h - 1);
    int x0 = (int)u, y0 = (int)v, x1 = x0 + 1 < im->w ? x0 + 1 : x0, y1 = y0 + 1 < im->h ? y0 + 1 : y0;
    double fx = u - x0, fy = v - y0;
#define AT(a, b) im->px[((size_t)(b)*im->w + (a)) * 3 + k]
    return (AT(x0, y0) * (1 - fx) + AT(x1, y0) * fx) * (1 - fy) + (AT(x0, y1) * (1 - fx) + AT(x1, y1) * fx) * fy;
}

static void agrees_with_double(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 7, 16, 31};
    enum { N = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < N * N * N * N; i++) {
        struct image in = noise(sizes[i % N], sizes[i / N % N]), out;
        int w = sizes[i / N / N % N], h = sizes[i / N / N / N];
        image_resize(&in, w, h, &out);
        assert_int_equal(out.w, w);
        assert_int_equal(out.h, h);
        for (int p = 0; p < w * h * 3; p++) {
            double want = reference(&in, w, h, p / 3 % w, p / 3 / w, p % 3), got = out.px[p];
            if (!(fabs(got - want) <= 0.5 + 255.0 / 2048)) /* rounding, and half a step of each weight */
                fail_msg("%dx%d to %dx%d byte %d: %g, wanted %g", in.w, in.h, w, h, p, got, want);
        }
        image_free(&in);
        image_free(&out);
    }
}

/* Bytes of OpenCV 5.0.0 cv2.resize(INTER_LINEAR) of the 4x1 ramp 0, 80, 160, 240. */
static void known_bytes(void **state)
{
    (void)state;
    struct image in, out;
    image_init(&in, 4, 1);
    for (int x = 0; x < 4; x++)
        memset(in.px + x * 3, x * 80, 3);
    image_resize(&in, 8, 1, &out);
    static const uint8_t wanted[8] = {0, 20, 60, 100, 140, 180, 220, 240};
    for (int x = 0; x < 8; x++)
        assert_int_equal(out.px[x * 3 + 1], wanted[x]);
    image_free(&out);
    image_resize(&in, 2, 1, &out);
    assert_int_equal(out.px[0], 40);
    assert_int_equal(out.px[3], 200);
    image_free(&out);
    image_free(&in);
}

static void same_size_copies(void **state)
{
    (void)state;
    struct image in = noise(13, 9), out;
    image_resize(&in, 13, 9, &out);
    assert_memory_equal(in.px, out.px, 13 * 9 * 3);
    image_free(&in);
    image_free(&out);
}

static void stays_inside_its_rows(void **state)
{
    (void)state;
    struct image in = noise(20, 20);
    uint8_t canvas[10 * 64];
    memset(canvas, 0xAB, sizeof canvas);
    resize_into(&in, 7, 8, canvas + 64 + 3, 64);
    for (int i = 0; i < (int)sizeof canvas; i++) {
        int row = i / 64, column = i % 64;
        if ((row < 1 || row > 8 || column < 3 || column >= 24) && canvas[i] != 0xAB)
            fail_msg("byte %d of row %d was written", column, row);
    }
    image_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_double),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(same_size_copies),
        cmocka_unit_test(stays_inside_its_rows),
    };
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
