/* A batch of augmented samples. Slot i of batch b in epoch e depends on (seed, e, b*batch+i) alone. */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include "core/str.h"
#include "core/thread.h"
#include "image/augment.h"
#include "train/cache.h"

struct batch {
    const struct cache *cache;
    const struct augment_options *augment;
    struct pool *pool;
    int size, capacity, max_labels;
    uint64_t seed;
    int *order; /* [cache->n] of the current epoch */
    int epoch;
    bool use_mosaic;
    uint8_t **pixels;      /* [capacity] */
    struct label **labels; /* [capacity][max_labels] */
    int *n_labels;         /* [capacity] */
    struct image *scratch; /* [workers][4] for images that are not kept */
    int first, n;          /* of the batch being filled */
    bool *failed;          /* [capacity] a source vanished */
};

void batch_open(struct batch *b, const struct cache *cache, const struct augment_options *augment, int size,
                int capacity, uint64_t seed, struct pool *pool, struct arena *a);
void batch_close(struct batch *b);
void batch_begin_epoch(struct batch *b, int epoch, bool use_mosaic); /* 0-based; shuffles */
/* Fills slots for positions [first, first+n) of the epoch's order. False when a file vanished. */
bool batch_fill(struct batch *b, int first, int n);
/* Appends the names of the batch's own images, not of those that mosaics mixed in: "a.jpg, b.jpg and 14 more". */
void batch_name_images(const struct batch *b, struct str_buf *out);

#endif
