#include "detector/nms.h"

#include <math.h>
#include <stdlib.h>

#include "core/arena.h"

struct candidate {
    float score;
    int anchor, class_id;
};

struct candidates {
    struct candidate *items;
    size_t n, cap;
};

/* A box that is not finite overlaps nothing, so it could never be suppressed: it is no candidate either. */
static bool is_finite(const struct box *b)
{
    return isfinite(b->x1) && isfinite(b->y1) && isfinite(b->x2) && isfinite(b->y2);
}

static void push(struct candidates *c, float score, int anchor, int class_id)
{
    MEM_GROW(c->items, c->n, c->cap);
    c->items[c->n++] = (struct candidate){score, anchor, class_id};
}

static void collect(const struct nms_options *o, const struct box *boxes, const float *scores, int n_anchors, int n_classes,
                    struct candidates *out)
{
    for (int a = 0; a < n_anchors; a++) {
        float best = o->min_score;
        int best_class = -1;
        for (int c = 0; c < n_classes; c++) {
            float score = scores[(size_t)c * (size_t)n_anchors + (size_t)a];
            if (!(score > o->min_score) || !is_finite(&boxes[a]))
                continue;
            if (o->multi_label) {
                push(out, score, a, c);
            } else if (score > best) { /* the first of equal classes stays */
                best = score;
                best_class = c;
            }
        }
        if (best_class >= 0)
            push(out, best, a, best_class);
    }
}

static int by_score(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->anchor != b->anchor)
        return a->anchor < b->anchor ? -1 : 1;
    return (a->class_id > b->class_id) - (a->class_id < b->class_id);
}

int nms(const struct nms_options *o, const struct box *boxes, const float *scores, int n_anchors, int n_classes,
        struct detection *out)
{
    struct candidates c = {0};
    collect(o, boxes, scores, n_anchors, n_classes, &c);
    if (c.n > 1)
        qsort(c.items, c.n, sizeof *c.items, by_score);
    if (c.n > (size_t)o->max_candidates)
        c.n = (size_t)o->max_candidates;

    int n = 0;
    for (size_t i = 0; i < c.n && n < o->max_detections; i++) {
        const struct box *box = &boxes[c.items[i].anchor];
        bool is_kept = true;
        for (int j = 0; j < n && is_kept; j++)
            is_kept = out[j].class_id != c.items[i].class_id || !(box_iou(out[j].box, *box) > o->max_iou);
        if (is_kept)
            out[n++] = (struct detection){*box, c.items[i].score, c.items[i].class_id};
    }
    mem_free(c.items);
    return n;
}
