/* What a training run holds: opened, saved, resumed and closed here; loop.c walks it through the epochs. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "detector/loss.h"
#include "nn/schedule.h"
#include "train/batch.h"
#include "train/evaluate.h"
#include "train/progress.h"
#include "train/state.h"
#include "train/train.h"

struct trainer {
    const struct train_options *o;
    struct model *m;
    const struct kernels *k;
    struct pool *pool;
    struct arena work; /* networks and batches: freed when training ends */
    struct cache train_images, val_images;
    size_t cache_bytes; /* bound for both */
    struct detector d;
    struct loss *loss;
    struct predictor predictor;
    struct batch batch;
    struct schedule schedule;
    enum optimizer optimizer;
    struct train_state s;
    struct progress progress;
    double last_saved, job_started, seconds_before;
    bool has_saved; /* a checkpoint is there, of this job or of an earlier one, from before this batch: */
    int saved_epoch, saved_batch;
};

/* The trainer has o, m, k and pool. Decodes the images, plans the networks, chooses optimizer and schedule. a: what
 * outlives the training (rows, best weights). ERR_DATA. Close it in any case. */
MUST_CHECK bool trainer_open(struct trainer *t, const struct dataset *d, struct arena *a, struct error *e);
void trainer_close(struct trainer *t);

/* From the checkpoint, where there is one of these options. A damaged one is a warning. */
MUST_CHECK bool trainer_resume(struct trainer *t, struct error *e);
/* Writes the checkpoint, if one is wanted, and tells train_options.saved. */
MUST_CHECK bool trainer_save(struct trainer *t, struct error *e);

/* Batches done, over all epochs: also the index of the one at work. */
long trainer_batch_index(const struct trainer *t);
/* Always false: ERR_DIVERGED, with everything to act on. batch counts over all epochs. */
bool trainer_diverged(const struct trainer *t, const char *what, long batch, struct error *e);
/* Decoded validation images may take so many bytes: training images come first, a mosaic takes four of them. */
size_t trainer_room_for_validation(const struct trainer *t);

#endif
