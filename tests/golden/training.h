/* The two ways to train that the vectors hold, AdamW and SGD, and one training step by them. */
#ifndef TESTS_GOLDEN_TRAINING_H
#define TESTS_GOLDEN_TRAINING_H

#include "golden.h"
#include "nn/optim.h"
#include "nn/schedule.h"

struct training {
    const char *kind;
    enum optimizer optimizer;
    struct schedule schedule;
};

#define N_TRAININGS 2
extern const struct training trainings[N_TRAININGS]; /* SCHEDULES in generate.py */

/* Update, cleared gradients, EMA; step counts from 1. Returns the gradient's norm before clipping. */
double training_update(const struct kernels *k, struct pool *pool, struct param_set *p, const struct training *r,
                     const struct schedule_point *at, long step);
/* Weights against "<at>/data/...", their averages against "<at>/ema/...". */
void training_check_state(struct golden *g, const char *at, const struct param_set *p, double eps_allowed);

#endif
