#include "core/rng.h"

#include <math.h>

#include "core/error.h"

/* Constants and round of Philox4x32-10: Salmon et al. 2011, table 2 and section 3.3. */
static void philox_round(uint32_t c[4], const uint32_t key[2])
{
    uint64_t product0 = (uint64_t)0xD2511F53u * c[0];
    uint64_t product1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(product1 >> 32) ^ c1 ^ key[0];
    c[1] = (uint32_t)product1;
    c[2] = (uint32_t)(product0 >> 32) ^ c3 ^ key[1];
    c[3] = (uint32_t)product0;
}

static void fill(struct rng *r)
{
    uint32_t key[2] = {r->key[0], r->key[1]};
    for (int i = 0; i < 4; i++)
        r->out[i] = r->counter[i];
    for (int round = 0; round < 10; round++) {
        philox_round(r->out, key);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    r->counter[0]++; /* 2^34 draws of one place before it wraps */
    r->n_left = 4;
}

struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t epoch, uint32_t index)
{
    return (struct rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, index, epoch, (uint32_t)stream},
    };
}

uint32_t rng_u32(struct rng *r)
{
    if (r->n_left == 0)
        fill(r);
    return r->out[4 - r->n_left--];
}

float rng_unit(struct rng *r)
{
    return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

float rng_range(struct rng *r, float low, float high)
{
    float x = low + (high - low) * rng_unit(r);
    if (x >= high && high > low) /* the sum rounded up */
        x = nextafterf(high, low);
    return x;
}

/* Lemire, "Fast random integer generation in an interval", 2019, algorithm 5. */
uint32_t rng_below(struct rng *r, uint32_t n)
{
    if (n == 0)
        BUG("rng_below: n is 0");
    uint64_t product = (uint64_t)rng_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)rng_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

void rng_shuffle(struct rng *r, int *items, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)rng_below(r, (uint32_t)i + 1);
        int item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}
