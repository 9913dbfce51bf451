/* Running a model on images, a batch at a time. */
#ifndef DETECTOR_PREDICT_H
#define DETECTOR_PREDICT_H

#include "detector/detector.h"
#include "detector/nms.h"

struct predictor {
    struct detector d;
    int batch;
    struct box *boxes; /* [batch][anchors] */
    float *scores;     /* [batch][classes][anchors] */
};

/* Plans an inference network of the model's size. Memory is the arena's; the rest is borrowed. */
void predictor_open(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch,
                    struct arena *a);
void predictor_close(struct predictor *p);

/* images: n <= batch letterboxed inputs (size*size*3 RGB). weights: [n_total], e.g. params.ema. out: n arrays of
 * o->max_detections; n_out: how many each got. Boxes in net pixels: letterbox_to_image brings them home. False = cancelled
 * (net.is_cancelled): nothing was written. */
bool predictor_run(struct predictor *p, const real *weights, const uint8_t *const *images, int n,
                   const struct nms_options *o, struct detection *const *out, int *n_out);

#endif
