/* split.sha256: which part each image belonged to when a model was trained, so that a later run can tell whether images
 * that it holds back were trained on before (leakage). One line for each image, by path:
 *
 *     train 4b0c...  images/a.jpg
 *     val 9e1f...  images/b.jpg
 *
 * The part, a space, and the image's line of the dataset's manifest; so `sed -n 's/^val //p' split.sha256 | sha256sum -c`
 * checks the validation part. Parts: train, val, test; and `earlier`: trained on by a model that this one's weights come
 * from, and no longer in the training part. Images are compared by their bytes, whatever their name. */
#ifndef DATASET_PARTS_H
#define DATASET_PARTS_H

#include "core/str.h"
#include "dataset/dataset.h"

/* earlier: the split.sha256 of the model whose weights training began with; empty = none, or not known. */
struct str parts_write(const struct dataset *d, const struct manifest *m, struct str earlier, struct arena *a);

struct parts_overlap {
    int n_val, n_val_trained_on;    /* today's held-back images; of them, those that the other model saw in training */
    int n_train, n_train_held_back; /* today's training images; of them, those that the other model held back */
};
/* theirs: another model's split.sha256. False = it is damaged. */
bool parts_compare(const struct dataset *d, const struct manifest *m, struct str theirs, struct parts_overlap *out);

#endif
