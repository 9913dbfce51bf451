/* A batch of augmented samples. The sample at position i of epoch e depends on (seed, e, i) alone, whoever makes it. */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include "core/str.h"
#include "image/augment.h"
#include "train/cache.h"

/* Where samples come from; does not change while it is used. */
struct batch_source {
    const struct cache *cache;
    const struct augment_options *augment;
    uint64_t seed;
    int size;       /* of the samples' side, pixels */
    int max_labels; /* of a sample: batch_most_labels(cache) */
};
int batch_most_labels(const struct cache *c);

/* Positions [first, first+n) of an epoch's shuffled order; epochs count from 0. */
struct batch_range {
    int epoch, first, n;
    bool use_mosaic;
};

/* All that makes a sample of a source. */
struct sample_key {
    int epoch, position;
    int image; /* its own, by the epoch's order; a mosaic mixes in others */
    bool use_mosaic;
};

struct sample_slot {
    uint8_t *pixels;      /* [size][size][3] */
    struct label *labels; /* [max_labels] */
    int n_labels;
    bool has_failed; /* a source vanished */
};

struct batch {
    const struct batch_source *source;
    struct batch_range range;
    int *order; /* [cache->n] of range.epoch */
    int ordered_epoch;
    struct sample_slot *slots; /* [capacity] */
    /* What network and loss read, [capacity] each: set by batch_finish. */
    const uint8_t **pixels;
    const struct label **labels;
    int *n_labels;
};

/* Images that are not kept are decoded into these. */
#define MOSAIC_SOURCES 4
struct sample_scratch {
    struct image images[MOSAIC_SOURCES];
};
void sample_scratch_free(struct sample_scratch *s);

struct sample_slot sample_slot(const struct batch_source *source, struct arena *a); /* an empty one */
/* Thread safe with separate slots and scratches. */
void sample_make(const struct batch_source *source, const struct sample_key *key, struct sample_slot *to,
                 struct sample_scratch *scratch);

void batch_open(struct batch *b, const struct batch_source *source, int capacity, struct arena *a);

/* Which samples its slots will hold; none is made yet. */
void batch_begin(struct batch *b, const struct batch_range *range);
struct sample_key batch_key(const struct batch *b, int i); /* of sample i of its range, 0 <= i < range.n */
/* All samples are in their slots. False when a file had vanished. */
bool batch_finish(struct batch *b);

/* Appends the names of the batch's own images, not of those that mosaics mixed in: "a.jpg, b.jpg and 14 more". */
void batch_name_images(const struct batch *b, struct str_buf *out);

#endif
