/* Measuring a model on a part of the dataset: NMS, mAP in the photos' own pixels. */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include "detector/map.h"
#include "detector/predict.h"
#include "train/cache.h"

/* Images at a time: 16 at 320 px or less, fewer of larger ones, so that memory does not grow with them. */
int evaluate_batch(int image_size);

/* How figures are taken everywhere: score > 0.001, IoU 0.7, every class above the threshold, at most 300 boxes. */
extern const struct nms_options EVALUATE_NMS;

/* images: a CACHE_RECT or CACHE_SQUARE cache; p is planned for its shapes as they come. o: EVALUATE_NMS unless a user
 * wants other thresholds. out: by every rule; its per-class rows are the arena's. False = cancelled through the predictor:
 * the figures are partial. */
bool evaluate(struct predictor *p, const real *weights, const struct cache *images, const struct nms_options *o,
              struct arena *a, struct metrics out[MAP_RULES]);

/* What the best epoch is chosen by: 0.1 * mAP50 + 0.9 * mAP50-95. */
double evaluate_fitness(const struct metrics *m);

#endif
