/* The detector's loss and its gradient (docs/detector.md has the formulas and their sources).
 *   total = B * (7.5 L_box + 0.5 L_cls + 1.5 L_dfl),  S = max(sum of target scores over the batch, 1)
 *   L_cls = sum BCE(logit, target) / S over all anchors and classes
 *   L_box = sum score (1 - CIoU(pred, truth)) / S, in cells;  L_dfl = sum score * mean of 4 sides' soft cross entropy / S
 *
 *     struct loss *l = loss_open(&detector, arena);
 *     net_forward(...); loss_assign(l, labels, n_labels, n); loss_gradients(l, n, &r); net_backward(...);
 *
 * Split in two so that a gradient check can hold the assignment, which carries no gradient, fixed. */
#ifndef DETECTOR_LOSS_H
#define DETECTOR_LOSS_H

#include "detector/assign.h"

#define LOSS_BOX_GAIN 7.5
#define LOSS_CLS_GAIN 0.5
#define LOSS_DFL_GAIN 1.5
#define LOSS_MAX_DISTANCE (SPEC_REG_MAX - 1 - 0.01) /* targets beyond it are cut: bins reach to 15 */

struct loss_result {
    double box, cls, dfl; /* with their gains, without the factor B */
    double total;         /* with it: what is differentiated */
    long n_targets;       /* anchors that learn a box */
};

struct loss; /* opaque; knows its detector */

struct loss *loss_open(struct detector *d, struct arena *a);
void loss_close(struct loss *l); /* frees the workers' memory */
void loss_widen(struct loss *l, real least_side); /* assigner_widen for all of them */

/* labels[i] are image i's n_labels[i] labels, fractions of the net's input. */
void loss_assign(struct loss *l, const struct label *const *labels, const int *n_labels, int n);
/* Overwrites the gradients of the detector's outputs. */
void loss_gradients(struct loss *l, int n, struct loss_result *out);

#endif
