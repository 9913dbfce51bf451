/* What the user sees while it trains: a bar that is redrawn on a terminal, one whole line per epoch elsewhere. */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include "train/budget.h"
#include "train/history.h"

struct progress {
    int epochs, batches; /* in all; of an epoch */
    double started;        /* clock_seconds() when this job began training */
    long batches_at_start; /* done before this job */
    double last_drawn;
};

void progress_batch(struct progress *p, int epoch, int batch, double loss, double images_per_second);
/* Does what is left of training fit into the job, and if not, how many jobs does it take? */
void progress_forecast(const struct progress *p, const struct budget *b, double seconds_left);
void progress_epoch(struct progress *p, const struct epoch_row *row, double seconds_left, int is_best);

#endif
