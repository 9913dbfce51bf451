/* Non-maximum suppression: from dense scores to detections. Greedy, class-aware, ties broken by (score descending,
 * anchor ascending, class ascending), no time limit, so the result never depends on the machine. */
#ifndef DETECTOR_NMS_H
#define DETECTOR_NMS_H

#include <stdbool.h>

#include "image/box.h"

struct nms_options {
    float min_score;     /* 0.001 for metrics, 0.25 for people */
    float max_iou;       /* 0.7: a box that overlaps a better one of its class by more is dropped */
    bool multi_label;    /* every class above min_score is a candidate (metrics); else only an anchor's best (predict) */
    int max_candidates;  /* 30000, by score */
    int max_detections;  /* 300 */
};

/* boxes: [n_anchors] corners in pixels; scores: [n_classes][n_anchors] after sigmoid. scratch-free (heap inside).
 * out holds o->max_detections, best first; returns the count. NaN scores are never candidates. */
int nms(const struct nms_options *o, const struct box *boxes, const float *scores, int n_anchors, int n_classes,
        struct detection *out);

#endif
