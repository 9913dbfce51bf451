#include <math.h>
#include <string.h>

#include "unit.h"

#include "core/arena.h"
#include "image/augment.h"

enum { S = 64, MAX = 64 };

static const struct augment_options recipe = {.mosaic = 1,
                                              .fliplr = 0.5f,
                                              .flipud = 0.2f,
                                              .hsv_h = 0.015f,
                                              .hsv_s = 0.7f,
                                              .hsv_v = 0.4f,
                                              .translate = 0.1f,
                                              .scale = 0.5f};

/* A black picture with one white square: where the square is must stay what the label says. */
static struct image with_square(int w, int h, int x1, int y1, int x2, int y2)
{
    struct image im;
    image_init(&im, w, h);
    for (int y = y1; y < y2; y++)
        memset(im.px + ((size_t)y * w + x1) * 3, 255, (size_t)(x2 - x1) * 3);
    return im;
}

static struct label label_of(const struct image *im, int x1, int y1, int x2, int y2)
{
    return label_of_box(2, (struct box){(float)x1, (float)y1, (float)x2, (float)y2}, (float)im->w, (float)im->h);
}

/* The hull of pixels brighter than half. */
static struct box bright_hull(const uint8_t *px)
{
    struct box b = {S, S, 0, 0};
    for (int y = 0; y < S; y++) {
        for (int x = 0; x < S; x++) {
            if (px[(y * S + x) * 3] < 128)
                continue;
            b.x1 = fminf(b.x1, (float)x);
            b.y1 = fminf(b.y1, (float)y);
            b.x2 = fmaxf(b.x2, (float)x + 1);
            b.y2 = fmaxf(b.y2, (float)y + 1);
        }
    }
    return b;
}

static void labels_follow_the_pixels(void **state)
{
    (void)state;
    struct image im = with_square(S, 48, 20, 10, 44, 34);
    struct label l = label_of(&im, 20, 10, 44, 34), out[MAX];
    struct augment_source source = {&im, &l, 1};
    struct augment_options o = recipe;
    o.hsv_h = o.hsv_s = o.hsv_v = 0;
    uint8_t px[S * S * 3];
    int n_seen = 0;
    for (uint32_t i = 0; i < 300; i++) {
        struct rng r = rng_at(5, RNG_TEST, 0, i);
        int n = augment_sample(&o, &source, 1, S, &r, px, out, MAX);
        if (n == 0)
            continue;
        assert_int_equal(n, 1);
        assert_int_equal(out[0].class_id, 2);
        struct box want = bright_hull(px), got = box_of_label(out[0], S, S);
        if (!(fabsf(got.x1 - want.x1) <= 1.01f) || !(fabsf(got.y1 - want.y1) <= 1.01f) ||
            !(fabsf(got.x2 - want.x2) <= 1.01f) || !(fabsf(got.y2 - want.y2) <= 1.01f))
            fail_msg("sample %u: label %g %g %g %g, pixels %g %g %g %g", i, (double)got.x1, (double)got.y1,
                     (double)got.x2, (double)got.y2, (double)want.x1, (double)want.y1, (double)want.x2,
                     (double)want.y2);
        n_seen++;
    }
    assert_true(n_seen > 250);
    image_free(&im);
}

static void mosaic_is_a_function_of_its_place(void **state)
{
    (void)state;
    struct image im[4];
    struct label l[4], a[MAX], b[MAX];
    struct augment_source sources[4];
    for (int i = 0; i < 4; i++) {
        im[i] = with_square(i & 1 ? S : 40, i & 1 ? 50 : S, 10, 10, 30, 30);
        l[i] = label_of(&im[i], 10, 10, 30, 30);
        sources[i] = (struct augment_source){&im[i], &l[i], 1};
    }
    uint8_t *px[2] = {mem_alloc(S * S * 3), mem_alloc(S * S * 3)};
    int n_total = 0, n_different = 0;
    for (uint32_t i = 0; i < 100; i++) {
        struct rng r = rng_at(5, RNG_AUGMENT, 1, i), again = rng_at(5, RNG_AUGMENT, 1, i),
                   other = rng_at(5, RNG_AUGMENT, 2, i);
        int n = augment_sample(&recipe, sources, 4, S, &r, px[0], a, MAX);
        assert_int_equal(augment_sample(&recipe, sources, 4, S, &again, px[1], b, MAX), n);
        assert_memory_equal(px[0], px[1], S * S * 3);
        for (int k = 0; k < n; k++) {
            struct box box = box_of_label(a[k], S, S);
            assert_true(a[k].x == b[k].x && a[k].y == b[k].y && a[k].w == b[k].w && a[k].h == b[k].h);
            if (!(box.x1 >= -1e-3f && box.y1 >= -1e-3f && box.x2 <= S + 1e-3f && box.y2 <= S + 1e-3f) ||
                !(box.x2 - box.x1 > 2) || !(box.y2 - box.y1 > 2))
                fail_msg("sample %u label %d: %g %g %g %g", i, k, (double)box.x1, (double)box.y1, (double)box.x2,
                         (double)box.y2);
        }
        augment_sample(&recipe, sources, 4, S, &other, px[1], b, MAX);
        n_different += memcmp(px[0], px[1], S * S * 3) != 0;
        n_total += n;
    }
    assert_int_equal(n_different, 100);
    assert_true(n_total > 100 && n_total <= 400);
    for (int i = 0; i < 4; i++)
        image_free(&im[i]);
    mem_free(px[0]);
    mem_free(px[1]);
}

/* Turning one option off must not change what the others draw. */
static void options_are_independent(void **state)
{
    (void)state;
    struct image im = with_square(S, S, 20, 10, 44, 34);
    struct label l = label_of(&im, 20, 10, 44, 34), a, b;
    struct augment_source source = {&im, &l, 1};
    struct augment_options plain = recipe, flipped = recipe;
    plain.fliplr = plain.flipud = 0;
    flipped.fliplr = flipped.flipud = 1;
    uint8_t px[2][S * S * 3];
    for (uint32_t i = 0; i < 20; i++) {
        struct rng r = rng_at(5, RNG_TEST, 2, i), same = r;
        int n = augment_sample(&plain, &source, 1, S, &r, px[0], &a, 1);
        assert_int_equal(augment_sample(&flipped, &source, 1, S, &same, px[1], &b, 1), n);
        for (int p = 0; p < S * S; p++)
            assert_memory_equal(px[0] + p * 3, px[1] + (S * S - 1 - p) * 3, 3);
        assert_true(n == 0 || (fabsf(a.x - (1 - b.x)) <= 1e-6f && fabsf(a.y - (1 - b.y)) <= 1e-6f));
    }
    image_free(&im);
}

static void hopeless_boxes_are_dropped(void **state)
{
    (void)state;
    struct image im = with_square(S, S, 0, 0, 1, 1);
    const struct label labels[] = {
        {0, 0.5f, 0.5f, 0.5f, 0.5f},   /* kept */
        {1, 0.5f, 0.5f, 0.02f, 0.5f},  /* 1.3 px wide */
        {2, 0.5f, 0.5f, 0.5f, 0.0f},   /* no area */
        {3, 1.5f, 0.5f, 0.2f, 0.2f},   /* outside */
        {4, 0.5f, 0.5f, 0.05f, 0.05f}, /* 3.2 px, kept */
    };
    struct augment_source source = {&im, labels, COUNT(labels)};
    struct label out[MAX];
    uint8_t px[S * S * 3];
    struct rng r = rng_at(5, RNG_TEST, 3, 0);
    assert_int_equal(augment_sample(&(struct augment_options){0}, &source, 1, S, &r, px, out, MAX), 2);
    assert_int_equal(out[0].class_id, 0);
    assert_int_equal(out[1].class_id, 4);
    assert_true(fabsf(out[0].x - 0.5f) <= 1e-6f && fabsf(out[0].w - 0.5f) <= 1e-6f);
    r = rng_at(5, RNG_TEST, 3, 0);
    assert_int_equal(augment_sample(&(struct augment_options){0}, &source, 1, S, &r, px, out, 1), 1);
    image_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_follow_the_pixels),
        cmocka_unit_test(mosaic_is_a_function_of_its_place),
        cmocka_unit_test(options_are_independent),
        cmocka_unit_test(hopeless_boxes_are_dropped),
    };
    return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
