#include "train/batch.h"

#include <string.h>

int batch_most_labels(const struct cache *c)
{
    int most = 1;
    for (int i = 0; i < c->n; i++)
        most = c->samples[i]->n_labels > most ? c->samples[i]->n_labels : most;
    return MOSAIC_SOURCES * most;
}

void sample_scratch_free(struct sample_scratch *s)
{
    for (int i = 0; i < MOSAIC_SOURCES; i++)
        image_free(&s->images[i]);
}

struct sample_slot sample_slot(const struct batch_source *source, struct arena *a)
{
    size_t side = (size_t)source->size;
    return (struct sample_slot){.pixels = ARENA_NEW(a, uint8_t, mem_mul(side, side * 3)),
                                .labels = ARENA_NEW(a, struct label, (size_t)source->max_labels)};
}

void sample_make(const struct batch_source *source, const struct sample_key *key, struct sample_slot *to,
                 struct sample_scratch *scratch)
{
    const struct cache *c = source->cache;
    struct rng r = rng_at(source->seed, RNG_AUGMENT, (uint32_t)key->epoch, (uint32_t)key->position);
    int n_sources = key->use_mosaic && rng_unit(&r) < source->augment->mosaic ? MOSAIC_SOURCES : 1;
    struct augment_source sources[MOSAIC_SOURCES];
    to->has_failed = false;
    for (int i = 0; i < n_sources; i++) {
        int at = i == 0 ? key->image : (int)rng_below(&r, (uint32_t)c->n);
        sources[i] = (struct augment_source){
            .image = cache_get(c, at, &scratch->images[i], &to->has_failed),
            .labels = c->samples[at]->labels,
            .n_labels = c->samples[at]->n_labels,
        };
    }
    to->n_labels = augment_sample(source->augment, sources, n_sources, source->size, &r, to->pixels, to->labels,
                                  source->max_labels);
}

void batch_open(struct batch *b, const struct batch_source *source, int capacity, struct arena *a)
{
    *b = (struct batch){.source = source, .ordered_epoch = -1};
    b->order = ARENA_NEW(a, int, (size_t)source->cache->n);
    b->slots = ARENA_NEW(a, struct sample_slot, (size_t)capacity);
    for (int i = 0; i < capacity; i++)
        b->slots[i] = sample_slot(source, a);
    b->pixels = ARENA_NEW(a, const uint8_t *, (size_t)capacity);
    b->labels = ARENA_NEW(a, const struct label *, (size_t)capacity);
    b->n_labels = ARENA_NEW(a, int, (size_t)capacity);
}

void batch_begin(struct batch *b, const struct batch_range *range)
{
    b->range = *range;
    if (b->ordered_epoch == range->epoch)
        return;
    b->ordered_epoch = range->epoch;
    for (int i = 0; i < b->source->cache->n; i++)
        b->order[i] = i;
    struct rng r = rng_at(b->source->seed, RNG_SHUFFLE, (uint32_t)range->epoch, 0);
    rng_shuffle(&r, b->order, b->source->cache->n);
}

struct sample_key batch_key(const struct batch *b, int i)
{
    int position = b->range.first + i;
    return (struct sample_key){b->range.epoch, position, b->order[position], b->range.use_mosaic};
}

bool batch_finish(struct batch *b)
{
    bool ok = true;
    for (int i = 0; i < b->range.n; i++) {
        const struct sample_slot *s = &b->slots[i];
        b->pixels[i] = s->pixels;
        b->labels[i] = s->labels;
        b->n_labels[i] = s->n_labels;
        ok = ok && !s->has_failed;
    }
    return ok;
}

void batch_name_images(const struct batch *b, struct str_buf *out)
{
    for (int i = 0; i < b->range.n; i++) {
        const char *name = b->source->cache->samples[b->order[b->range.first + i]]->name;
        if (strlen(name) + 32 > out->ceiling - out->n) {
            str_buf_printf(out, " and %d more", b->range.n - i);
            return;
        }
        str_buf_printf(out, "%s%s", i ? ", " : "", name);
    }
}
