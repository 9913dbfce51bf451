/* Rectangular validation, by the reference recipe's rule: images are sorted by aspect ratio and each group gets the
 * smallest input that holds all of it, with half a stride of padding. A photo meets little grey, so a model scores
 * higher than on squares. The rule is fixed here, groups included, so that `eval` repeats the figures of training. */
#ifndef TRAIN_RECT_H
#define TRAIN_RECT_H

#include "dataset/dataset.h"
#include "image/letterbox.h"

#define RECT_MARGIN 32 /* no side of an input exceeds the loaded image's by more */
#define RECT_GROUP 32 /* images that share one input shape: twice the recipe's batch of 16 */

/* Sorts samples[n] by height / width (stable) and writes how each then lies in its group's input. size: the longer side
 * of a loaded image, a multiple of 32. group: RECT_GROUP, other values for tests. */
void rect_plan(const struct sample **samples, int n, int size, int group, struct letterbox *fits);

#endif
