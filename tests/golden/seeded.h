/* Numbers that the generator and the tests make alike from a name, so that weights and images need not be stored: the C
 * half of reference/seeded.py, equal to the bit. */
#ifndef TESTS_GOLDEN_SEEDED_H
#define TESTS_GOLDEN_SEEDED_H

#include <stddef.h>
#include <stdint.h>

#include "nn/param.h"

/* What is stored of a tensor of more than SEEDED_WHOLE elements: norm, largest magnitude, sums under random signs, which
 * see every element, and some elements. Smaller ones are stored as they are. */
#define SEEDED_PROBES 4
#define SEEDED_PICKS 26
#define SEEDED_WHOLE (2 + SEEDED_PROBES + SEEDED_PICKS)

uint64_t seeded_key(const char *name);
uint64_t seeded_bits(uint64_t key, size_t i);
float seeded_unit(uint64_t key, size_t i); /* a multiple of 2^-23 in [-1, 1) */

void seeded_fill_unit(const char *name, real *out, size_t n);
void seeded_fill_pixels(const char *name, uint8_t *out, size_t n);
/* Every parameter and running statistic of the set, from "<stem>/<its name>". */
void seeded_fill_params(const char *stem, struct param_set *p);

/* out [SEEDED_WHOLE]; returns how many of it are in use. */
size_t seeded_digest(const char *name, const real *x, size_t n, double *out);

#endif
