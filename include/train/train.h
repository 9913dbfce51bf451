/* Training a detector: the recipe, the loop, its checkpoints.
 *
 * The result is a function of (dataset, options that change weights, seed): not of threads, of time, or of whether the
 * run was interrupted and resumed from its checkpoint. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "core/thread.h"
#include "dataset/dataset.h"
#include "detector/map.h"
#include "detector/model.h"
#include "image/augment.h"
#include "nn/kernels.h"
#include "nn/optim.h"
#include "train/budget.h"
#include "train/history.h"
#include "train/recipe.h"

#define TRAIN_ENGINE 6 /* rises whenever the same inputs would train to other weights: part of every version */

#define TRAIN_MOST_AUTO_EPOCHS 300

/* How far training is. */
struct train_position {
    int epoch, epochs; /* epochs done, of all; a training that ends early by patience does fewer */
    long batches;      /* done, over all epochs */
    int jobs;          /* that have worked on it, this one included */
};

/* What the owner of a training does meanwhile. Functions may be NULL; false ends training with that error. */
struct train_hooks {
    void *ctx;
    bool (*saved)(void *ctx, const struct train_position *at, struct error *e); /* a checkpoint was written */
    bool (*tick)(void *ctx, struct error *e);                                   /* after each batch; quick */
};

struct train_options {
    const struct recipe *recipe;
    int epochs; /* 0 = as many as fit into the budget, at most TRAIN_MOST_AUTO_EPOCHS; the checkpoint keeps the number */
    int batch_size;
    int image_size; /* multiple of 32 */
    uint64_t seed;
    bool optimizer_auto; /* AdamW for small jobs, SGD for long ones, with the learning rate that goes with it */
    enum optimizer optimizer;
    double learning_rate; /* 0 = the recipe's: AdamW 0.002*5/(4+classes), SGD 0.01 */
    double final_lr_fraction, weight_decay, momentum, warmup_epochs;
    int close_mosaic; /* the last so many epochs train without mosaic */
    int patience;     /* 0 = never stop early */
    struct augment_options augment;

    struct budget *budget;       /* when to stop and checkpoint; training measures itself into it; NULL = never */
    double checkpoint_seconds;   /* write one every so often, the first one sooner; 0 = only when stopping */
    /* "" or NULL = none. An existing one of the same `identity` is resumed; the one before it stays beside it (train_previous)
     * and is taken where the newer one is damaged. */
    const char *checkpoint_path;
    const char *identity; /* the version: a checkpoint of another one is refused */
    struct train_hooks hooks;
    size_t cache_bytes; /* bound for decoded images kept in memory; 0 = half of what is free */
};

/* "DIR/checkpoint.bin" -> "DIR/checkpoint.previous.bin" */
char *train_previous(const char *checkpoint_path, struct arena *a);
/* How far a checkpoint is, after a check of the whole file. *found = false: there is no file. ERR_DATA: damaged, or not of
 * this identity. */
MUST_CHECK bool train_peek(const char *checkpoint_path, const char *identity, struct train_position *at, bool *found,
                           struct error *e);

enum train_end { TRAIN_DONE, TRAIN_PATIENCE, TRAIN_STOPPED, TRAIN_DEADLINE };

struct train_result {
    enum train_end end;
    const real *best_weights;   /* [n_total] EMA after the best epoch; in the arena */
    const real *last_weights;   /* = model->params.ema */
    int best_epoch;             /* 1-based; 0 = no epoch was finished */
    struct metrics best[MAP_RULES]; /* on the validation part, EMA weights, rectangular input */
    struct metrics best_square;     /* on square input, as a published ONNX file takes it: MAP_RULE_STRICT */
    struct metrics last;            /* of the last epoch: MAP_RULE_STRICT, rectangular input */
    struct epoch_row *rows;     /* [n_rows], in the arena */
    int n_rows;
    int epochs;              /* wanted; what was chosen where the options said 0 */
    int jobs_left;           /* at this pace, after this one; 0 when training ended, or when nobody can say */
    double seconds;          /* training and validation, all jobs */
    float images_per_second; /* median over epochs, training only */
    int jobs;                /* 1 + number of resumes */
};

/* Trains m (made for training; initialised, perhaps from other weights) on d. Failures: ERR_DATA (an image cannot be
 * decoded), ERR_DIVERGED (loss, gradient or weights not finite: names epoch, batch
 * and its images; the last checkpoint stays), ERR_INTERNAL (checkpoint cannot be written).
 * A stop signal or the deadline is no failure: the checkpoint is written and out->end says so. */
MUST_CHECK bool train_run(const struct train_options *o, const struct dataset *d, struct model *m,
                          const struct kernels *k, struct pool *pool, struct arena *a, struct train_result *out,
                          struct error *e);

#endif
