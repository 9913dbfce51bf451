/* The two recipes that the vectors hold, AdamW and SGD, and one training step by them. */
#ifndef TESTS_GOLDEN_RECIPE_H
#define TESTS_GOLDEN_RECIPE_H

#include "golden.h"
#include "nn/optim.h"
#include "nn/schedule.h"

struct recipe {
    const char *kind;
    enum optimizer optimizer;
    struct schedule schedule;
};

#define N_RECIPES 2
extern const struct recipe recipes[N_RECIPES]; /* SCHEDULES in generate.py */

/* Update, cleared gradients, EMA; step counts from 1. Returns the gradient's norm before clipping. */
double recipe_update(const struct kernels *k, struct pool *pool, struct param_set *p, const struct recipe *r,
                     const struct schedule_point *at, long step);
/* Weights against "<at>/data/...", their averages against "<at>/ema/...". */
void recipe_check_state(struct golden *g, const char *at, const struct param_set *p, double eps_allowed);

#endif
