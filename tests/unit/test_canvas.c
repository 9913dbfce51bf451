#include <math.h>
#include <string.h>

#include "unit.h"

#include "core/arena.h"
#include "image/canvas.h"
#include "image/letterbox.h"

enum { S = 32 };

static struct image noise(int w, int h, uint32_t seed)
{
    struct image im;
    image_init(&im, w, h);
    struct rng r = rng_at(seed, RNG_TEST, (uint32_t)w, (uint32_t)h);
    for (size_t i = 0; i < (size_t)w * h * 3; i++)
        im.px[i] = (uint8_t)rng_below(&r, 256);
    return im;
}

/* The mosaic as the recipe describes it: pasted on a real canvas, cropped where it does not fit. */
static void paste(uint8_t *canvas, int n, const struct image *im, int left, int top)
{
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++)
            if (left + x >= 0 && left + x < n && top + y >= 0 && top + y < n)
                memcpy(canvas + ((size_t)(top + y) * n + left + x) * 3, im->px + ((size_t)y * im->w + x) * 3, 3);
}

static double canvas_at(const uint8_t *canvas, int n, int x, int y, int k)
{
    return x < 0 || y < 0 || x >= n || y >= n ? LETTERBOX_GREY : canvas[((size_t)y * n + x) * 3 + k];
}

static void check(const uint8_t *stored, const struct canvas *c, const struct affine *t, const char *name)
{
    uint8_t row[S * 3], mirrored[S * 3];
    for (int y = 0; y < S; y++) {
        canvas_row(c, t, S, y, false, row);
        canvas_row(c, t, S, y, true, mirrored);
        for (int x = 0; x < S; x++) {
            assert_memory_equal(row + x * 3, mirrored + (S - 1 - x) * 3, 3);
            double dx = x + 0.5 - t->shift[0], dy = y + 0.5 - t->shift[1];
            double u = t->inverse[0][0] * dx + t->inverse[0][1] * dy + t->centre[0] - 0.5;
            double v = t->inverse[1][0] * dx + t->inverse[1][1] * dy + t->centre[1] - 0.5;
            int x0 = (int)floor(u), y0 = (int)floor(v);
            double fx = u - x0, fy = v - y0;
            for (int k = 0; k < 3; k++) {
                double a = canvas_at(stored, c->size, x0, y0, k), b = canvas_at(stored, c->size, x0 + 1, y0, k);
                double d = canvas_at(stored, c->size, x0, y0 + 1, k), f = canvas_at(stored, c->size, x0 + 1, y0 + 1, k);
                double want = (a * (1 - fx) + b * fx) * (1 - fy) + (d * (1 - fx) + f * fx) * fy;
                if (!(fabs(row[x * 3 + k] - want) <= 0.5 + 2 * 255.0 / 256)) /* weights have 8 bits, cut */
                    fail_msg("%s, pixel %d,%d: %d, wanted %g", name, x, y, row[x * 3 + k], want);
            }
        }
    }
}

static void four_sources_equal_a_stored_canvas(void **state)
{
    (void)state;
    struct image im[4] = {noise(32, 20, 1), noise(12, 32, 2), noise(32, 32, 3), noise(32, 9, 4)};
    struct augment_source sources[4];
    for (int i = 0; i < 4; i++)
        sources[i] = (struct augment_source){&im[i], NULL, 0};
    const struct augment_options o = {.translate = 0.1f, .scale = 0.5f, .degrees = 40, .shear = 10};
    uint8_t *stored = mem_alloc(4 * S * S * 3);
    for (uint32_t i = 0; i < 200; i++) {
        struct rng r = rng_at(3, RNG_TEST, 0, i);
        int x = S / 2 + (int)rng_below(&r, S), y = S / 2 + (int)rng_below(&r, S), n = 2 * S;
        memset(stored, LETTERBOX_GREY, 4 * S * S * 3);
        paste(stored, n, &im[0], x - im[0].w, y - im[0].h);
        paste(stored, n, &im[1], x, y - im[1].h);
        paste(stored, n, &im[2], x - im[2].w, y);
        paste(stored, n, &im[3], x, y);
        struct canvas c = canvas_of_four(sources, S, x, y);
        struct affine t = affine_draw(i < 20 ? &(struct augment_options){0} : &o, n, S, &r);
        check(stored, &c, &t, "mosaic");
    }
    mem_free(stored);
    for (int i = 0; i < 4; i++)
        image_free(&im[i]);
}

static void one_source_equals_a_letterbox(void **state)
{
    (void)state;
    struct image im = noise(32, 21, 5), boxed;
    struct augment_source source = {&im, NULL, 0};
    struct letterbox l = letterbox_plan(32, 21, S, S, true);
    letterbox_apply(&l, &im, &boxed);
    struct canvas c = canvas_of_one(&source, S);
    struct rng r = rng_at(3, RNG_TEST, 1, 0);
    struct affine still = affine_draw(&(struct augment_options){0}, S, S, &r);
    for (int y = 0; y < S; y++) {
        uint8_t row[S * 3];
        canvas_row(&c, &still, S, y, false, row);
        assert_memory_equal(row, boxed.px + (size_t)y * S * 3, S * 3);
    }
    const struct augment_options o = {.translate = 0.3f, .scale = 0.9f, .degrees = 180};
    for (uint32_t i = 0; i < 50; i++) {
        struct affine t = affine_draw(&o, S, S, &r);
        check(boxed.px, &c, &t, "single");
    }
    image_free(&im);
    image_free(&boxed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_sources_equal_a_stored_canvas),
        cmocka_unit_test(one_source_equals_a_letterbox),
    };
    return cmocka_run_group_tests_name("canvas", tests, NULL, NULL);
}
