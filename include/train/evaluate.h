/* Measuring a model on a part of the dataset: letterboxed images, NMS, mAP in the photos' own pixels. */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include "detector/map.h"
#include "detector/predict.h"
#include "train/cache.h"

/* images: a CACHE_RECT or CACHE_SQUARE cache; p is planned for its shapes as they come. metrics: MAP_RULE_CLASSIC; strict (may be NULL): the other
 * rule. Memory of per-class rows is the arena's. False = cancelled through the predictor's net: the figures are partial. */
bool evaluate(struct predictor *p, const real *weights, const struct cache *images, struct arena *a,
              struct metrics *classic, struct metrics *strict);

/* What the best epoch is chosen by: 0.1 * mAP50 + 0.9 * mAP50-95. */
double evaluate_fitness(const struct metrics *m);

#endif
