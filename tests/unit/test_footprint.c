#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "core/fs.h"
#include "detector/detector.h"
#include "train/cache.h"
#include "train/footprint.h"

#define N 40

static struct sample samples[N];

/* Three quarters train. Nothing is opened. */
static struct dataset dataset_of(int w, int h)
{
    for (int i = 0; i < N; i++)
        samples[i] = (struct sample){.name = "x", .path = "x", .w = w, .h = h, .part = i % 4 ? PART_TRAIN : PART_VAL};
    return (struct dataset){.samples = samples, .n_samples = N, .n_train = N * 3 / 4, .n_val = N / 4, .n_classes = 3};
}

static struct footprint footprint(int size, int batch, const struct dataset *d)
{
    struct footprint f;
    struct spec spec;
    struct error e = {0};
    assert_true(spec_build('n', d->n_classes, &spec, &e));
    footprint_of(&(struct train_options){.image_size = size, .batch_size = batch}, d, &spec, NULL, &f);
    return f;
}

static void parts_grow_as_they_should(void **state)
{
    (void)state;
    struct dataset d = dataset_of(320, 240);
    struct footprint f = footprint(96, 16, &d), more = footprint(96, 32, &d), larger = footprint(192, 16, &d);
    assert_true(f.weights > 60 << 20 && f.weights < 90 << 20); /* six blocks of three million floats */
    assert_int_equal(more.weights, f.weights);
    assert_true(more.networks > f.networks && more.networks < 2 * f.networks); /* packed weights do not grow */
    size_t sixteen_images = more.networks - f.networks; /* of 96 px; 192 px takes four times that, and weights the same */
    assert_true(larger.networks - f.networks > 2 * sixteen_images && larger.batch > f.batch);
    assert_int_equal(f.images, 30 * 96 * 72 * 3 + 10 * 128 * 96 * 3); /* fitted for training; rectangles with their margin */
    struct dataset photos = dataset_of(6000, 4000);
    assert_true(footprint(96, 4, &photos).decoding > f.decoding + (100 << 20));
}

static size_t training_net(int size, int batch)
{
    struct arena a = {0};
    struct error e = {0};
    struct spec spec;
    struct model m;
    struct detector d;
    assert_true(spec_build('n', 3, &spec, &e));
    model_make(&spec, NULL, size, false, &a, &m);
    detector_build(&d, &spec, &m.params, NULL, NULL, size, size);
    net_plan(&d.net, batch, true, NULL);
    size_t bytes = net_bytes(&d.net);
    detector_free(&d);
    arena_free(&a);
    return bytes;
}

static void validation_takes_the_memory_of_training(void **state)
{
    (void)state;
    struct dataset d = dataset_of(320, 240);
    struct footprint roomy = footprint(192, 16, &d), narrow = footprint(96, 1, &d);
    assert_int_equal(roomy.networks, training_net(192, 16));
    size_t packed_weights = 20 << 20; /* and more, for which one image leaves no room */
    assert_true(narrow.networks > training_net(96, 1) + packed_weights);
}

static void the_cache_shrinks_first(void **state)
{
    (void)state;
    struct footprint f = {.weights = 60, .networks = 300, .batch = 40, .checkpoint = 60, .decoding = 10, .images = 500};
    assert_int_equal(footprint_least(&f), 410);
    assert_int_equal(footprint_most(&f), 900);
    assert_int_equal(footprint_need(&f), 410);
    assert_true(footprint_cache(&f, 5000) >= 500);
    assert_int_equal(footprint_cache(&f, 700), 291); /* what the rest leaves */
    assert_int_equal(footprint_cache(&f, 960), 481); /* never more than half of what is free */
    assert_int_equal(footprint_cache(&f, 410), 1);
    f.decoding = 1000; /* photos so large that decoding them once, before the networks are there, takes less */
    f.images = 5;
    assert_int_equal(footprint_need(&f), 1065);
    assert_true(footprint_cache(&f, 1065) >= 5);
    f.decoding = 10;
    f.checkpoint = 2000; /* read before the networks are there */
    assert_int_equal(footprint_least(&f), 2060);
    assert_int_equal(footprint_most(&f), 2065);
}

static void the_largest_batch_fits_and_the_next_does_not(void **state)
{
    (void)state;
    struct dataset d = dataset_of(320, 240);
    struct spec spec;
    struct error e = {0};
    struct train_options o = {.image_size = 96, .batch_size = 64};
    assert_true(spec_build('n', d.n_classes, &spec, &e));
    struct footprint wanted = footprint(96, 23, &d);
    uint64_t need = footprint_need(&wanted);
    assert_int_equal(footprint_largest_batch(&o, &d, &spec, NULL, need), 23);
    assert_int_equal(footprint_largest_batch(&o, &d, &spec, NULL, need - 1), 22);
    assert_int_equal(footprint_largest_batch(&o, &d, &spec, NULL, 1 << 20), 0);
}

/* A part of the images that is not kept is decoded again, to the same pixels. */
static void a_cache_keeps_what_it_may(void **state)
{
    (void)state;
    char folder[] = "/tmp/retrain-test-XXXXXX";
    struct arena a = {0};
    struct error e = {0};
    assert_non_null(mkdtemp(folder));
    struct dataset d = dataset_of(30, 20);
    d.n_samples = 6;
    for (int i = 0; i < 6; i++) {
        struct image im;
        image_init(&im, 30, 20);
        memset(im.px, 40 * i, 30 * 20 * 3);
        samples[i].path = arena_printf(&a, "%s/%d.png", folder, i);
        samples[i].part = PART_TRAIN;
        assert_true(image_save(samples[i].path, &im, &e));
        image_free(&im);
    }
    size_t one = 96 * 64 * 3;
    for (size_t kept = 0; kept <= 6; kept++) {
        struct cache c;
        struct image scratch = {0};
        bool failed = false;
        assert_true(cache_open(&c, &d, PART_TRAIN, CACHE_FIT, 96, kept * one + one / 2, NULL, &e));
        assert_int_equal(c.n_kept, kept);
        assert_int_equal(cache_size(&c), 6 * one);
        for (int i = 0; i < 6; i++) {
            const struct image *im = cache_get(&c, i, &scratch, &failed);
            assert_true(!failed && im->w == 96 && im->h == 64 && im->px[0] == 40 * i && im->px[one - 1] == 40 * i);
        }
        image_free(&scratch);
        cache_close(&c);
    }
    assert_true(fs_remove_tree(folder, &e));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_grow_as_they_should),
        cmocka_unit_test(validation_takes_the_memory_of_training),
        cmocka_unit_test(the_cache_shrinks_first),
        cmocka_unit_test(the_largest_batch_fits_and_the_next_does_not),
        cmocka_unit_test(a_cache_keeps_what_it_may),
    };
    return cmocka_run_group_tests_name("footprint", tests, NULL, NULL);
}
