/* The first layer reads bytes: its output and its weight gradient have the bits that a tensor of the bytes' values gives. */
#include "unit.h"

#include <string.h>

#include "core/rng.h"
#include "nn/conv.h"

#define CO 20
#define IMAGES 2

static const struct shape {
    int k, stride, h, w;
} SHAPES[] = {{3, 2, 70, 640}, {3, 2, 9, 11}, {3, 2, 2, 2}, {3, 1, 33, 400}, {3, 1, 1, 1}, {1, 1, 7, 5}, {1, 2, 6, 9}};

struct fixture {
    struct arena arena;
    struct conv conv;
    struct tensor in, out;
    const uint8_t *images[IMAGES];
    real *packed, *scratch;
    size_t n_in, n_out;
};

static struct tensor place(struct arena *a, int c, int h, int w, int lanes, size_t *n)
{
    struct tensor t;
    size_t stride = tensor_shape(&t, c, h, w, lanes);
    t.image_stride = stride;
    *n = stride * IMAGES;
    t.data = ARENA_NEW(a, real, *n) + t.row + lanes;
    t.grad = ARENA_NEW(a, real, *n) + t.row + lanes;
    return t;
}

static void build(struct fixture *f, const struct shape *s, const struct kernels *k)
{
    *f = (struct fixture){0};
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    f->in = place(&f->arena, 3, s->h, s->w, TENSOR_INPUT_LANES, &f->n_in);
    f->out = place(&f->arena, CO, (s->h - 1) / s->stride + 1, (s->w - 1) / s->stride + 1, LANES, &f->n_out);
    conv_plan(&f->conv, &f->in, &f->out, s->k, s->stride, false, &f->arena);
    size_t area = (size_t)(s->h * s->w), n_weights = conv_weights(&f->conv), n_scratch = conv_scratch(&f->conv, true);
    real *values = ARENA_NEW(&f->arena, real, 3 * area), *w = ARENA_NEW(&f->arena, real, n_weights);
    for (int image = 0; image < IMAGES; image++) {
        uint8_t *px = ARENA_NEW(&f->arena, uint8_t, 3 * area);
        for (size_t i = 0; i < 3 * area; i++) {
            px[i] = (uint8_t)rng_below(&r, 256);
            values[i % 3 * area + i / 3] = (real)px[i] / 255;
        }
        tensor_set(&f->in, image, values);
        f->images[image] = px;
    }
    for (int c = 0; c < IMAGES * CO; c++)
        for (int i = 0; i < f->out.h * f->out.w; i++) {
            struct view dy = tensor_grad(&f->out, c / CO);
            *view_channel(&dy, c % CO, i / f->out.w, i % f->out.w) = rng_range(&r, -1, 1);
        }
    for (size_t i = 0; i < n_weights; i++)
        w[i] = rng_range(&r, -1, 1);
    f->packed = ARENA_NEW(&f->arena, real, conv_packed(&f->conv));
    f->scratch = ARENA_NEW(&f->arena, real, n_scratch);
    for (int b = 0; b < f->conv.out_blocks; b++)
        conv_pack_forward(k, &f->conv, w, b, f->packed, f->scratch);
    memset(f->scratch, 0xff, n_scratch * sizeof(real)); /* NaN: what was there before must not matter */
}

static void forward_has_the_bits_of_a_tensor(struct fixture *f, const struct kernels *k)
{
    struct tensor other = place(&f->arena, CO, f->out.h, f->out.w, LANES, &f->n_out);
    for (int image = 0; image < IMAGES; image++)
        for (int chunk = 0; chunk < f->conv.n_chunks; chunk++) {
            struct view x = tensor_data(&f->in, image), y = tensor_data(&f->out, image), z = tensor_data(&other, image);
            conv_forward(k, &f->conv, &x, f->packed, &y, chunk, f->scratch);
            conv_forward_rgb(k, &f->conv, f->images[image], f->packed, &z, chunk, f->scratch);
        }
    size_t before = f->out.row + LANES;
    assert_true(*f->out.data != 0);
    assert_memory_equal(f->out.data - before, other.data - before, f->n_out * sizeof(real));
}

static void gradient_has_the_bits_of_a_tensor(struct fixture *f, const struct kernels *k)
{
    size_t n = conv_partial(&f->conv);
    real *one = ARENA_NEW(&f->arena, real, n), *two = ARENA_NEW(&f->arena, real, n);
    conv_weight_grad(k, &f->conv, &f->in, &f->out, IMAGES, one, f->scratch);
    conv_weight_grad_rgb(k, &f->conv, f->images, &f->out, IMAGES, two, f->scratch);
    assert_true(one[0] != 0 || one[(f->conv.k * f->conv.k / 2) * TENSOR_INPUT_LANES * LANES] != 0);
    assert_memory_equal(one, two, n * sizeof(real));
}

static void bytes_have_the_bits_of_a_tensor(void **state)
{
    static const char *const sets[] = {"ref", "auto"};
    (void)state;
    for (size_t i = 0; i < COUNT(sets) * COUNT(SHAPES); i++) {
        struct error e = {0};
        struct kernels k;
        struct fixture f;
        assert_true(kernels_select(sets[i / COUNT(SHAPES)], &k, &e));
        build(&f, &SHAPES[i % COUNT(SHAPES)], &k);
        forward_has_the_bits_of_a_tensor(&f, &k);
        gradient_has_the_bits_of_a_tensor(&f, &k);
        arena_free(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_have_the_bits_of_a_tensor)};
    return cmocka_run_group_tests_name("conv_bytes", tests, NULL, NULL);
}
