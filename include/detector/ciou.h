/* Complete IoU (Zheng et al., "Distance-IoU Loss", 2020) of two boxes given as corners, in any one unit.
 *   CIoU = IoU - rho^2/c^2 - alpha v,  v = 4/pi^2 (atan(w2/h2) - atan(w1/h1))^2,  alpha = v / (v - IoU + 1)
 * with rho the distance of the centres and c the diagonal of the enclosing box; eps 1e-7 where the reference has it.
 * alpha counts as a constant for the gradient. */
#ifndef DETECTOR_CIOU_H
#define DETECTOR_CIOU_H

#include "nn/param.h"

struct ciou_box {
    real x1, y1, x2, y2;
};

/* Returns CIoU; alpha_out may be NULL. */
real ciou(const struct ciou_box *a, const struct ciou_box *b, real *alpha_out);
/* d CIoU / d a (x1, y1, x2, y2), with this alpha held fixed; also returns the value for it. */
real ciou_grad(const struct ciou_box *a, const struct ciou_box *b, real alpha, real da[4]);

#endif
