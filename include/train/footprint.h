/* How much memory training takes, reckoned from sizes alone: nothing is decoded, and what the networks take is what their
 * own plans say. tests/e2e/test_memory.py holds it to the peak of real trainings. */
#ifndef TRAIN_FOOTPRINT_H
#define TRAIN_FOOTPRINT_H

#include "train/train.h"

struct footprint {
    size_t weights;    /* parameters, gradients, moments, EMA, the best ones */
    size_t networks;   /* activations, gradients and scratch of training and of validation */
    size_t batch;      /* augmented samples, targets, decoded boxes, and small things */
    size_t checkpoint; /* while it is read: everything of `weights` once more */
    size_t decoding;   /* photos being decoded, the largest ones at once on all workers */
    size_t images;     /* decoded images, if all are kept; fewer are when memory is short */
};

/* pool: whose workers will train; NULL = one. */
void footprint_of(const struct train_options *o, const struct dataset *d, const struct spec *spec, struct pool *pool,
                  struct footprint *out);
/* The peak, of which there are two: with no decoded image kept, and with all of them. Few small images take less than
 * decoding large photos again and again; `need` is the lower of the two. */
size_t footprint_least(const struct footprint *f);
size_t footprint_most(const struct footprint *f);
size_t footprint_need(const struct footprint *f);
/* Bytes of decoded images to keep (struct train_options cache_bytes) where so much memory, at least the need, is free: all,
 * or what the rest and half of what is free leave. At least 1, since 0 would ask for the default. */
size_t footprint_cache(const struct footprint *f, uint64_t available_bytes);
/* The largest batch below o->batch_size that fits; 0 = not even one image does. */
int footprint_largest_batch(const struct train_options *o, const struct dataset *d, const struct spec *spec,
                            struct pool *pool, uint64_t available_bytes);

#endif
