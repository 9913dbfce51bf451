/* Random numbers without state: each number is a function of (seed, stream, index, draw), so the order in which
 * threads work cannot change them. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 *
 *     struct rng r = rng_at(seed, RNG_AUGMENT, epoch, sample);
 *     float scale = rng_range(&r, 0.5f, 1.5f);      // draw 0, 1, 2, ... of that place */
#ifndef CORE_RNG_H
#define CORE_RNG_H

#include <stdint.h>

enum rng_stream { RNG_INIT = 1, RNG_SHUFFLE, RNG_AUGMENT, RNG_SPLIT, RNG_TEST };

struct rng {
    uint32_t key[2], counter[4];
    uint32_t out[4];
    unsigned n_left;
};

struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t epoch, uint32_t index);
uint32_t rng_u32(struct rng *r);
float rng_unit(struct rng *r);                        /* [0,1), 24 bits */
float rng_range(struct rng *r, float low, float high); /* [low,high) */
uint32_t rng_below(struct rng *r, uint32_t n);         /* 0..n-1 without bias; n > 0 */
/* Fisher-Yates over n ints. */
void rng_shuffle(struct rng *r, int *items, int n);

#endif
