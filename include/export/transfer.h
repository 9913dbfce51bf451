/* Fine-tuning: the weights of a file as the start of a model that may have other classes.
 *
 * A tensor of equal name and shape is taken. The class branch (model.22.cv3) may have another shape, because its width
 * follows the number of classes: where the file's hidden channels are more than the model's, the first ones are taken; the
 * outputs of other classes are not. Any other difference of shape means another scale or architecture, and is an error. */
#ifndef EXPORT_TRANSFER_H
#define EXPORT_TRANSFER_H

#include "detector/model.h"

enum transfer_kind {
    TRANSFER_TAKEN,
    TRANSFER_CUT,     /* the first channels of a wider tensor were taken */
    TRANSFER_CLASSES, /* left fresh: belongs to the class branch, whose shape is another */
    TRANSFER_ABSENT,  /* left fresh: the file has no tensor of this name */
};

struct transfer {
    const enum transfer_kind *kinds; /* [params.n_items] */
    int n_taken, n_cut, n_classes, n_absent;
    int n_unused; /* the file's float tensors that have no place in the model */
};

/* Copies into m's data and ema. ERR_CONFIG: the file cannot be read, or holds weights of another scale or architecture; the
 * first tensor that does not fit is named. ERR_DATA: damaged, or nothing at all fits. On failure m is part old, part new. */
MUST_CHECK bool transfer_weights(const char *path, struct model *m, struct arena *a, struct transfer *out, struct error *e);

/* What was taken and what was left, and why, in one line: counts, and the first tensor of each kind that was not taken as
 * it is. */
const char *transfer_text(const struct transfer *t, const struct model *m, struct arena *a);

#endif
