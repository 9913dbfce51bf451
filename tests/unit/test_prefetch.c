/* Batches made beside the training: whoever makes a sample, and whenever it is asked for, its bytes are the same. */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit.h"

#include "core/fs.h"
#include "train/prefetch.h"

enum { N_IMAGES = 9, SIDE = 96, CAPACITY = 4, EPOCHS = 4 };

static char folder[64];
static struct arena arena;
static struct error err;
static struct sample samples[N_IMAGES];
static struct label labels[N_IMAGES];
static struct dataset dataset;
static const struct augment_options augment = {
    .mosaic = 0.5f, .fliplr = 0.5f, .hsv_h = 0.015f, .hsv_s = 0.7f, .hsv_v = 0.4f, .translate = 0.1f, .scale = 0.5f};

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/retrain-test-prefetch-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (int i = 0; i < N_IMAGES; i++) {
        struct image im;
        int w = 40 + 7 * i, h = 90 - 6 * i;
        image_init(&im, w, h);
        for (int k = 0; k < w * h * 3; k++)
            im.px[k] = (uint8_t)rng_u32(&r);
        labels[i] = (struct label){.x = 0.5f, .y = 0.5f, .w = 0.4f, .h = 0.6f};
        samples[i] = (struct sample){.path = arena_printf(&arena, "%s/%d.png", folder, i),
                                     .name = arena_printf(&arena, "%d.png", i),
                                     .part = PART_TRAIN, .w = w, .h = h, .labels = &labels[i], .n_labels = 1};
        if (!image_save(samples[i].path, &im, &err))
            return -1;
        image_free(&im);
    }
    dataset = (struct dataset){.samples = samples, .n_samples = N_IMAGES};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return fs_remove_tree(folder, &err) ? 0 : -1;
}

static struct batch_range range_at(int epoch, int first)
{
    int left = N_IMAGES - first;
    return (struct batch_range){epoch, first, left < CAPACITY ? left : CAPACITY, epoch < EPOCHS - 1};
}

static struct batch_source source_of(const struct cache *c)
{
    return (struct batch_source){
        .cache = c, .augment = &augment, .seed = 7, .size = SIDE, .max_labels = batch_most_labels(c)};
}

/* Against the same samples made one by one, here. */
static void assert_batch(const struct batch_source *source, const struct batch *b, const struct batch_range *range)
{
    struct arena a = {0};
    struct batch wanted;
    struct sample_slot slot = sample_slot(source, &a);
    struct sample_scratch scratch = {0};
    batch_open(&wanted, source, CAPACITY, &a);
    batch_begin(&wanted, range);
    for (int i = 0; i < range->n; i++) {
        struct sample_key key = batch_key(&wanted, i);
        sample_make(source, &key, &slot, &scratch);
        assert_int_equal(b->n_labels[i], slot.n_labels);
        assert_memory_equal(b->pixels[i], slot.pixels, SIDE * SIDE * 3);
        assert_memory_equal(b->labels[i], slot.labels, (size_t)slot.n_labels * sizeof *slot.labels);
    }
    sample_scratch_free(&scratch);
    arena_free(&a);
}

static void wait_ms(uint32_t ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* Every epoch's batches in turn; now and then another one was begun than is asked for, or none. Returns how many samples
 * were made ahead. */
static long walk(const struct cache *c, struct pool *pool, bool is_waiting)
{
    struct batch_source source = source_of(c);
    struct prefetch *p = prefetch_open(&source, CAPACITY, pool);
    struct rng r = rng_at(2, RNG_TEST, 0, 0);
    long n_begun = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (int first = 0; first < N_IMAGES; first += CAPACITY) {
            struct batch_range range = range_at(epoch, first);
            struct batch_range next = range_at(first + CAPACITY < N_IMAGES ? epoch : epoch + 1,
                                               first + CAPACITY < N_IMAGES ? first + CAPACITY : 0);
            bool ok;
            const struct batch *b = prefetch_take(p, &range, &ok);
            uint32_t luck = rng_below(&r, 8);
            struct batch_range other = range_at(epoch + 2, 0);
            if (luck > 0)
                prefetch_begin(p, luck == 1 ? &other : &next);
            n_begun += luck > 1 ? next.n : 0;
            wait_ms(is_waiting ? 20 : rng_below(&r, 3));
            assert_true(ok);
            assert_batch(&source, b, &range); /* it stays as it is while the next one is made */
        }
    }
    long n_ready = prefetch_ready(p);
    assert_in_range(n_ready, 0, pool && pool_size(pool) > 1 ? n_begun : 0);
    prefetch_close(p);
    return n_ready;
}

static void every_sample_is_the_same(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct cache c;
        assert_true(cache_open(&c, &dataset, PART_TRAIN, CACHE_FIT, SIDE, kept ? SIZE_MAX : 1, NULL, &err));
        for (int threads = 1; threads <= 3; threads++) {
            struct pool *pool = pool_open(threads);
            walk(&c, pool, false);
            int tries = 0; /* on a machine that is never idle it may take some */
            while (threads > 1 && walk(&c, pool, true) == 0)
                assert_in_range(++tries, 0, 100);
            pool_close(pool);
        }
        walk(&c, NULL, false);
        cache_close(&c);
    }
}

static void a_vanished_image_is_said(void **state)
{
    (void)state;
    struct cache c;
    struct pool *pool = pool_open(2);
    bool ok = true;
    assert_true(cache_open(&c, &dataset, PART_TRAIN, CACHE_FIT, SIDE, 1, NULL, &err));
    struct batch_source source = source_of(&c);
    struct prefetch *p = prefetch_open(&source, CAPACITY, pool);
    assert_true(fs_remove(samples[3].path, &err));
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        bool is_whole = true;
        for (int first = 0; first < N_IMAGES; first += CAPACITY) {
            struct batch_range range = range_at(epoch, first);
            prefetch_begin(p, &range);
            wait_ms(epoch % 2 ? 20 : 0);
            prefetch_take(p, &range, &ok);
            is_whole = is_whole && ok;
        }
        assert_false(is_whole);
    }
    prefetch_close(p);
    cache_close(&c);
    pool_close(pool);
}

static void give_way(void *ctx)
{
    thread_give_way();
    *(int *)ctx = sched_getscheduler(0);
}

static void a_thread_can_give_way(void **state)
{
    (void)state;
    int policy = -1;
    thread_join(thread_start(give_way, &policy));
    assert_int_equal(policy, SCHED_IDLE);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_the_same),
        cmocka_unit_test(a_vanished_image_is_said),
        cmocka_unit_test(a_thread_can_give_way),
    };
    return cmocka_run_group_tests_name("prefetch", tests, set_up, tear_down);
}
