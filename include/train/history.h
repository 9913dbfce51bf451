/* What happened in each epoch. */
#ifndef TRAIN_HISTORY_H
#define TRAIN_HISTORY_H

#include <stdbool.h>

/* One row per epoch: what metrics.csv holds. */
struct epoch_row {
    int epoch;                          /* 1-based */
    float box_loss, cls_loss, dfl_loss; /* means over the epoch's batches */
    float learning_rate;
    bool has_metrics; /* validation ran after this epoch */
    float map50, map50_95, precision, recall;
    double seconds; /* of this epoch, training only */
    float images_per_second;
};

#endif
