#include "train/batch.h"

#include <string.h>

#define MOSAIC 4

void batch_open(struct batch *b, const struct cache *cache, const struct augment_options *augment, int size,
                int capacity, uint64_t seed, struct pool *pool, struct arena *a)
{
    *b = (struct batch){
        .cache = cache, .augment = augment, .pool = pool, .size = size, .capacity = capacity, .seed = seed};
    int most = 1;
    for (int i = 0; i < cache->n; i++)
        most = cache->samples[i]->n_labels > most ? cache->samples[i]->n_labels : most;
    b->max_labels = MOSAIC * most;
    size_t n = (size_t)capacity;
    b->order = ARENA_NEW(a, int, (size_t)cache->n);
    b->pixels = ARENA_NEW(a, uint8_t *, n);
    b->labels = ARENA_NEW(a, struct label *, n);
    b->n_labels = ARENA_NEW(a, int, n);
    b->failed = ARENA_NEW(a, bool, n);
    for (size_t i = 0; i < n; i++) {
        b->pixels[i] = ARENA_NEW(a, uint8_t, mem_mul((size_t)size, (size_t)size * 3));
        b->labels[i] = ARENA_NEW(a, struct label, (size_t)b->max_labels);
    }
    b->scratch = ARENA_NEW(a, struct image, (size_t)(pool ? pool_size(pool) : 1) * MOSAIC);
}

void batch_close(struct batch *b)
{
    for (int i = 0; b->scratch && i < (b->pool ? pool_size(b->pool) : 1) * MOSAIC; i++)
        image_free(&b->scratch[i]);
}

void batch_begin_epoch(struct batch *b, int epoch, bool use_mosaic)
{
    b->epoch = epoch;
    b->use_mosaic = use_mosaic;
    for (int i = 0; i < b->cache->n; i++)
        b->order[i] = i;
    struct rng r = rng_at(b->seed, RNG_SHUFFLE, (uint32_t)epoch, 0);
    rng_shuffle(&r, b->order, b->cache->n);
}

static void fill_item(void *ctx, int slot, int worker)
{
    struct batch *b = ctx;
    int position = b->first + slot;
    struct rng r = rng_at(b->seed, RNG_AUGMENT, (uint32_t)b->epoch, (uint32_t)position);
    int n_sources = b->use_mosaic && rng_unit(&r) < b->augment->mosaic ? MOSAIC : 1;
    struct augment_source sources[MOSAIC];
    for (int i = 0; i < n_sources; i++) {
        int at = i == 0 ? b->order[position] : (int)rng_below(&r, (uint32_t)b->cache->n);
        const struct sample *s = b->cache->samples[at];
        sources[i] = (struct augment_source){
            .image = cache_get(b->cache, at, &b->scratch[worker * MOSAIC + i], &b->failed[slot]),
            .labels = s->labels,
            .n_labels = s->n_labels,
        };
    }
    b->n_labels[slot] =
        augment_sample(b->augment, sources, n_sources, b->size, &r, b->pixels[slot], b->labels[slot], b->max_labels);
}

bool batch_fill(struct batch *b, int first, int n)
{
    b->first = first;
    b->n = n;
    memset(b->failed, 0, (size_t)b->capacity * sizeof *b->failed);
    pool_run(b->pool, n, fill_item, b);
    for (int i = 0; i < n; i++)
        if (b->failed[i])
            return false;
    return true;
}

void batch_name_images(const struct batch *b, struct str_buf *out)
{
    for (int i = 0; i < b->n; i++) {
        const char *name = b->cache->samples[b->order[b->first + i]]->name;
        if (strlen(name) + 32 > out->ceiling - out->n) {
            str_buf_printf(out, " and %d more", b->n - i);
            return;
        }
        str_buf_printf(out, "%s%s", i ? ", " : "", name);
    }
}
