/* A planned network for one input size, batch and purpose: images in, raw outputs per level, decoded boxes.
 *
 * Anchors are the cells of the three levels in order P3, P4, P5, row-major; their count is spec_anchors(h, w). */
#ifndef DETECTOR_DETECTOR_H
#define DETECTOR_DETECTOR_H

#include "detector/model.h"
#include "image/box.h"
#include "nn/net.h"

struct detector {
    const struct spec *spec;
    struct net net;
    int h, w; /* input pixels */
    int n_anchors;
    int image;            /* tensor [3,h,w]: RGB bytes of the caller, see net_use_images */
    int box[SPEC_LEVELS]; /* tensors [64,h/s,w/s]: 4 sides (left, top, right, bottom) x 16 bins, logits */
    int cls[SPEC_LEVELS]; /* tensors [n_classes,h/s,w/s], logits */
};

/* Where an anchor lies: level, cell, and its centre in units of cells (+0.5). */
struct anchor {
    int level, cell; /* cell = y * w + x */
    real x, y;       /* centre in cells */
    int stride;      /* pixels per cell */
};
struct anchor detector_anchor(const struct detector *d, int index);

/* Builds the list of operations; net_plan then lays it out. params is the model's; kernels and pool are borrowed. h and w
 * are multiples of 32. */
void detector_build(struct detector *d, const struct spec *spec, struct param_set *params, const struct kernels *k,
                    struct pool *pool, int h, int w);
void detector_free(struct detector *d);

/* Distances (left, top, right, bottom) in cells of one anchor: the means of the four softmaxed distributions, which are
 * written to prob[4*16] too unless NULL. */
void detector_distances(const struct detector *d, int image, const struct anchor *at, real out[4], real *prob);

/* After an inference forward: every anchor's box (corners, net pixels) and scores [n_classes][n_anchors] (sigmoid). */
void detector_decode(const struct detector *d, int image, struct box *boxes, float *scores);

#endif
