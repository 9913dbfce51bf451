#include "seeded.h"

#include <math.h>
#include <stdio.h>

uint64_t seeded_key(const char *name) /* FNV-1a */
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3;
    return h;
}

uint64_t seeded_bits(uint64_t key, size_t i) /* splitmix64 by counter (Steele, Lea and Flood, 2014) */
{
    uint64_t z = key + ((uint64_t)i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

float seeded_unit(uint64_t key, size_t i)
{
    return (float)((int64_t)(seeded_bits(key, i) >> 40) - (1 << 23)) * 0x1p-23f;
}

void seeded_fill_unit(const char *name, real *out, size_t n)
{
    uint64_t key = seeded_key(name);
    for (size_t i = 0; i < n; i++)
        out[i] = (real)seeded_unit(key, i);
}

void seeded_fill_pixels(const char *name, uint8_t *out, size_t n)
{
    uint64_t key = seeded_key(name);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(seeded_bits(key, i) >> 56);
}

/* float throughout, so that the double-precision build gets the same weights. */
static float parameter(const struct param *q, float u)
{
    switch (q->kind) {
    case PARAM_WEIGHT:
        return u * (float)(2.25 / sqrt((double)(q->n / (size_t)q->dims[0])));
    case PARAM_BN_SCALE:
    case PARAM_VAR:
        return 1 + u / 2;
    case PARAM_BIAS:
    case PARAM_MEAN:
        break;
    }
    return u / 2;
}

void seeded_fill_params(const char *stem, struct param_set *p)
{
    for (int i = 0; i < p->n_items; i++) {
        const struct param *q = &p->items[i];
        char name[160];
        snprintf(name, sizeof name, "%s/%s", stem, q->name);
        uint64_t key = seeded_key(name);
        for (size_t j = 0; j < q->n; j++)
            p->data[q->offset + j] = (real)parameter(q, seeded_unit(key, j));
    }
}

static void summarize(uint64_t key, const real *x, size_t n, double *out)
{
    double squares = 0, top = 0, probes[SEEDED_PROBES] = {0};
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        uint64_t signs = seeded_bits(key, i);
        for (int k = 0; k < SEEDED_PROBES; k++)
            probes[k] += signs >> k & 1 ? -v : v;
        squares += v * v;
        top = fabs(v) > top ? fabs(v) : top;
    }
    out[0] = sqrt(squares);
    out[1] = top;
    for (int k = 0; k < SEEDED_PROBES; k++)
        out[2 + k] = probes[k];
}

size_t seeded_digest(const char *name, const real *x, size_t n, double *out)
{
    if (n <= SEEDED_WHOLE) {
        for (size_t i = 0; i < n; i++)
            out[i] = (double)x[i];
        return n;
    }
    summarize(seeded_key(name), x, n, out);
    char pick[200];
    snprintf(pick, sizeof pick, "%s#pick", name);
    uint64_t key = seeded_key(pick);
    for (size_t i = 0; i < SEEDED_PICKS; i++)
        out[2 + SEEDED_PROBES + i] = (double)x[seeded_bits(key, i) % n];
    return SEEDED_WHOLE;
}
