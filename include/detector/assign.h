/* Which anchors learn which box: task-aligned assignment (Feng et al., "TOOD", 2021) as YOLOv8 uses it.
 *
 * For a box g and an anchor whose centre lies inside it: overlap = max(0, CIoU), align = score^0.5 * overlap^6. Each
 * box takes its 10 best anchors by align (ties: lower anchor first; align 0 is never taken, it could teach nothing). An
 * anchor taken by several goes to the one of all boxes around it with the largest overlap (ties: first box). Target
 * score of an anchor: align * (best overlap of its box) / (best align of its box). No gradient flows through any of it. */
#ifndef DETECTOR_ASSIGN_H
#define DETECTOR_ASSIGN_H

#include "detector/ciou.h"
#include "detector/detector.h"

/* One anchor that learns a box. */
struct target {
    int anchor;
    int class_id;
    struct ciou_box box; /* of the label, net pixels */
    real score;          /* target of its class, 0..1; the weight of its box losses */
    real alpha;          /* CIoU's alpha at the time of assignment, in cells */
};

struct assigner; /* working memory of one worker */
struct assigner *assigner_open(int n_anchors);
void assigner_close(struct assigner *a);
/* From here on a box with a side below least_side net pixels finds its anchors as if that side were so long, about the same
 * centre; overlaps stay those of the box itself. A box smaller than a cell may contain no centre and would teach nothing.
 * 0 = as the box is. */
void assigner_widen(struct assigner *a, real least_side);

/* labels are fractions of the net's input. Writes at most d->n_anchors targets, sorted by anchor; returns the count. */
int assign_image(struct assigner *a, const struct detector *d, int image, const struct label *labels, int n_labels,
                 struct target *out);

#endif
