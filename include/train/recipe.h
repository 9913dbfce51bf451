/* Named recipes: the choices of the training loop that are no options of their own. docs/detector.md has the figures. */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

struct recipe {
    const char *name;
    int nominal_batch; /* images per optimizer step, accumulated over batches; 0 = one batch */
    double least_side; /* net pixels: smaller boxes find anchors as if they had it (detector/assign.h) */
    /* At update u (from 1) the average of the weights keeps ema_decay * (1 - exp(-u / ramp)) of itself. ramp is in updates,
     * at most so large a share of all of them. */
    double ema_decay, ema_ramp, ema_ramp_share;
};

/* "small-data" (the default), "reference" (the loop of YOLOv8 in ultralytics 8.4). NULL when there is none of that name. */
const struct recipe *recipe_find(const char *name);

double recipe_ema_keep(const struct recipe *r, long update, double all_updates);

#endif
