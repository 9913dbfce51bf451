/* What a training run holds: opened, saved, resumed and closed here; loop.c walks it through the epochs. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "detector/loss.h"
#include "nn/schedule.h"
#include "train/evaluate.h"
#include "train/prefetch.h"
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
    struct prefetch *prefetch;
    const struct batch *batch; /* the one at work */
    struct schedule schedule;
    enum optimizer optimizer;
    struct train_state s;
    struct progress progress;
    int n_forecasts, jobs_forecast;
    int epochs;           /* of the whole training; provisional until it is chosen where the options say 0 */
    struct budget *budget; /* never NULL: the options' or `unlimited` */
    struct budget unlimited;
    double last_saved, job_started, seconds_before;
    long batches_here; /* done in this job, and the time that they took */
    double batch_seconds_here, image_seconds_here; /* of them until the batch was there */
    int n_saved;       /* checkpoints written in this job */
    bool has_saved; /* a checkpoint is there, of this job or of an earlier one, from before this batch: */
    int saved_epoch, saved_batch;
};

/* The trainer has o, m, k and pool. Decodes the images, chooses optimizer and schedule. a: what outlives the training
 * (rows, best weights). ERR_DATA. Close it in any case. */
MUST_CHECK bool trainer_open(struct trainer *t, const struct dataset *d, struct arena *a, struct error *e);
/* Once, after trainer_resume, so that a checkpoint and the networks never take memory at once. */
void trainer_open_networks(struct trainer *t);
void trainer_close(struct trainer *t);
void trainer_describe(const struct trainer *t); /* in the log */
/* So many epochs in all: optimizer and schedule follow from it. Before the first batch only. */
void trainer_set_epochs(struct trainer *t, int epochs);

/* From the checkpoint, where there is one of these options, else from the one before it. A damaged one is a warning. */
MUST_CHECK bool trainer_resume(struct trainer *t, bool *is_resumed, struct error *e);
/* Writes the checkpoint, if one is wanted; the last one stays beside it. Tells the hook. */
MUST_CHECK bool trainer_save(struct trainer *t, struct error *e);
/* step.c: the next batch of the epoch. A stop in the middle leaves no trace of it. */
MUST_CHECK bool trainer_step(struct trainer *t, struct error *e);
/* On the validation images, by every rule. False: cancelled by a stop. */
bool trainer_measure(struct trainer *t, const real *weights, struct arena *a, struct metrics out[MAP_RULES]);
/* auto_epochs.c: rehearses some batches and a validation, forgets them, and sets as many epochs as fit into the budget. */
MUST_CHECK bool trainer_choose_epochs(struct trainer *t, struct error *e);
int trainer_jobs_left(const struct trainer *t);
/* How far it is, and how much longer it takes at the pace of this job: HUGE_VAL before a batch was done here. */
struct train_position trainer_position(const struct trainer *t);
double trainer_seconds_left(const struct trainer *t);

/* Batches done, over all epochs: also the index of the one at work. */
long trainer_batch_index(const struct trainer *t);
/* Always false: ERR_DIVERGED, with everything to act on. batch counts over all epochs. */
bool trainer_diverged(const struct trainer *t, const char *what, long batch, struct error *e);
/* Decoded validation images may take so many bytes: training images come first, a mosaic takes four of them. */
size_t trainer_room_for_validation(const struct trainer *t);

#endif
