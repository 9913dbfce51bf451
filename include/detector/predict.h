/* Running a model on images, a batch at a time. The network is planned for one input shape and planned anew when images
 * of another come: about a ninth of a forward pass of 16 images, and memory stays that of one shape. */
#ifndef DETECTOR_PREDICT_H
#define DETECTOR_PREDICT_H

#include "detector/detector.h"
#include "detector/nms.h"

struct predictor {
    struct model *model; /* as the rest of the arguments of predictor_open, borrowed */
    const struct kernels *kernels;
    struct pool *pool;
    const struct net *host; /* borrowed too; NULL = memory of its own */
    const real *weights; /* borrowed too; NULL until predictor_use_weights */
    bool (*is_cancelled)(void); /* may be NULL; asked between two operations of the network */
    int batch;
    bool is_packed;      /* the weights, for the planned shape */
    struct arena memory; /* of that shape */
    struct detector d;
    struct box *boxes; /* [batch][anchors] */
    float *scores;     /* [batch][classes][anchors] */
};

/* Plans an inference network of the model's own square size. */
void predictor_open(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch);
/* The same where another net's values and gradients lie, as far as it fits there: net_lodge_in says what follows from that. host
 * outlives the predictor. */
void predictor_open_in(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch,
                       const struct net *host);
void predictor_close(struct predictor *p); /* safe on zero */

/* weights: [n_total], e.g. params.ema; borrowed. Once before the first run, and again whenever their values changed. */
void predictor_use_weights(struct predictor *p, const real *weights);
/* From here on images are h x w (multiples of 32). Does nothing when they were already. */
void predictor_reshape(struct predictor *p, int h, int w);

/* images: n <= batch inputs of the planned shape (h*w*3 RGB). out: n arrays of o->max_detections; n_out: how many each got.
 * Boxes in net pixels: letterbox_to_image brings them home. False = cancelled (is_cancelled): nothing was written. */
bool predictor_run(struct predictor *p, const uint8_t *const *images, int n,
                   const struct nms_options *o, struct detection *const *out, int *n_out);

#endif
