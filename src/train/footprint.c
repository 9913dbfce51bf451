#include "train/footprint.h"

#include <stdlib.h>

#include "detector/assign.h"
#include "detector/detector.h"
#include "train/batch.h"
#include "train/evaluate.h"

/* Parameters, EMA and the best are whole; gradients and two moments have only what is trained: nearly all of it. */
#define WEIGHT_BLOCKS 6
/* A JPEG while it is decoded: its planes at full or quarter resolution and the RGB image; read over for its rotation. */
#define DECODE_BYTES_PER_PIXEL 6
#define N_BATCHES 2 /* the one at work and the next */
/* What is too small to reckon one by one: lists, statistics, the heap's own gaps. */
#define SMALL_THINGS ((size_t)8 << 20)

static size_t side_bytes(int side)
{
    return (size_t)side * (size_t)side * 3;
}

/* On the rectangles of the images, and at the end once on squares. */
static void add_validation(struct footprint *f, struct model *m, const struct net *training, const struct cache *images)
{
    int h = images->size, w = images->size;
    size_t largest = (size_t)w * (size_t)h;
    for (int i = 0; i < images->n; i++) {
        const struct letterbox *l = &images->fits[i];
        size_t cells = (size_t)l->net_w * (size_t)l->net_h;
        if (cells > largest) {
            largest = cells;
            h = l->net_h;
            w = l->net_w;
        }
    }
    size_t anchors = (size_t)spec_anchors(h, w), n_classes = (size_t)m->spec.n_classes;
    int batch = evaluate_batch(images->size);
    struct detector d;
    detector_build(&d, &m->spec, &m->params, NULL, training->pool, h, w);
    net_lodge_in(&d.net, training);
    net_plan(&d.net, batch, false, NULL);
    f->networks += net_bytes(&d.net);
    detector_free(&d);
    f->batch += (size_t)batch * anchors * (sizeof(struct box) + n_classes * sizeof(float));
}

static int by_size(const void *pa, const void *pb)
{
    const size_t *a = pa, *b = pb;
    return (*a < *b) - (*a > *b);
}

/* Pixels of the largest photos, one for each who decodes. */
static size_t largest_photos(const struct dataset *d, size_t decoders)
{
    size_t n = (size_t)d->n_samples, sum = 0;
    size_t *pixels = mem_alloc(mem_mul(n, sizeof *pixels));
    for (size_t i = 0; i < n; i++)
        pixels[i] = (size_t)d->samples[i].w * (size_t)d->samples[i].h;
    qsort(pixels, n, sizeof *pixels, by_size);
    for (size_t i = 0; i < n && i < decoders; i++)
        sum += pixels[i];
    mem_free(pixels);
    return sum;
}

void footprint_of(const struct train_options *o, const struct dataset *d, const struct spec *spec, struct pool *pool,
                  struct footprint *out)
{
    struct arena a = {0};
    struct model m;
    struct cache train, val;
    size_t workers = pool ? (size_t)pool_size(pool) : 1, batch = (size_t)o->batch_size;
    size_t decoders = workers + (workers > 1); /* train/prefetch.c has one of its own */
    struct detector training;
    model_make(spec, NULL, o->image_size, false, &a, &m);
    detector_build(&training, &m.spec, &m.params, NULL, pool, o->image_size, o->image_size);
    net_plan(&training.net, o->batch_size, true, NULL);
    cache_plan(&train, d, PART_TRAIN, CACHE_FIT, o->image_size);
    cache_plan(&val, d, PART_VAL, CACHE_RECT, o->image_size);
    *out = (struct footprint){
        .weights = WEIGHT_BLOCKS * m.params.n_total * sizeof(real),
        .checkpoint = WEIGHT_BLOCKS * m.params.n_total * sizeof(real),
        .networks = net_bytes(&training.net),
        .batch = SMALL_THINGS +
                 batch * (N_BATCHES * side_bytes(o->image_size) +
                             (size_t)spec_anchors(o->image_size, o->image_size) * sizeof(struct target)),
        .decoding = largest_photos(d, decoders) * DECODE_BYTES_PER_PIXEL + decoders * MOSAIC_SOURCES * side_bytes(o->image_size),
        .images = cache_size(&train) + cache_size(&val),
    };
    add_validation(out, &m, &training.net, &val);
    detector_free(&training);
    cache_close(&train);
    cache_close(&val);
    arena_free(&a);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t footprint_least(const struct footprint *f)
{
    return f->weights + larger(f->networks + f->batch + f->decoding, f->checkpoint);
}

/* Photos are decoded, and a checkpoint is read, before the networks are there, and never again if all are kept. */
size_t footprint_most(const struct footprint *f)
{
    return f->weights + f->images + larger(larger(f->decoding, f->checkpoint), f->networks + f->batch);
}

size_t footprint_need(const struct footprint *f)
{
    size_t least = footprint_least(f), most = footprint_most(f);
    return most < least ? most : least;
}

size_t footprint_cache(const struct footprint *f, uint64_t available_bytes)
{
    size_t least = footprint_least(f);
    uint64_t left = available_bytes > least ? available_bytes - least : 0, bound = available_bytes / 2;
    if (footprint_most(f) <= available_bytes && (f->images <= bound || !left))
        return f->images + 1;
    return (size_t)(left < bound ? left : bound) + 1;
}

int footprint_largest_batch(const struct train_options *o, const struct dataset *d, const struct spec *spec,
                            struct pool *pool, uint64_t available_bytes)
{
    int low = 0, high = o->batch_size; /* low fits, or is 0; high does not fit */
    while (high - low > 1) {
        struct train_options tried = *o;
        struct footprint f;
        tried.batch_size = low + (high - low) / 2;
        footprint_of(&tried, d, spec, pool, &f);
        if (footprint_need(&f) <= available_bytes)
            low = tried.batch_size;
        else
            high = tried.batch_size;
    }
    return low;
}
