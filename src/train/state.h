/* Everything that training needs to go on where it stopped, and its file. */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include "core/error.h"
#include "detector/model.h"
#include "train/history.h"
#include "train/train.h"

struct train_state {
    int epoch;            /* the one in progress, 0-based */
    int batch;            /* batches of it that are done */
    long iteration;       /* batches done over all */
    long last_step;       /* iteration of the last optimizer step */
    long updates;         /* optimizer steps done */
    double loss_sums[3];  /* box, cls, dfl over the epoch's batches so far */
    double epoch_seconds; /* spent in the epoch in progress */
    double seconds;       /* spent in all */
    double best_fitness;  /* -1 = none */
    int best_epoch;       /* 1-based; 0 = none */
    int jobs;
    int epochs; /* of the whole training, as chosen when it began */
    bool is_trained; /* the last batch is done, or patience ended it: what is left is to measure */
    struct epoch_row *rows; /* [epochs]; n_rows are done */
    int n_rows;
    real *best; /* [n_total] */
};

/* A checkpoint is a safetensors file: the blocks as tensors, the counters as metadata, a SHA-256 over both. */
MUST_CHECK bool state_save(const char *path, const char *identity, const struct train_state *s,
                           const struct param_set *p, struct error *e);
/* *found = false: no file. A damaged or foreign file is a failure (ERR_DATA) with the reason; nothing was changed. */
MUST_CHECK bool state_load(const char *path, const char *identity, struct train_state *s, const struct param_set *p,
                           int max_rows, bool *found, struct error *e);
/* The same checks but for the blocks' sizes; fills the counters of *s alone. */
MUST_CHECK bool state_peek(const char *path, const char *identity, struct train_state *s, bool *found, struct error *e);

#endif
