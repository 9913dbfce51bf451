#include "detector/assign.h"

#include <math.h>
#include <string.h>

#define TOP_K 10
#define INSIDE_EPS ((real)1e-9)
#define NORM_EPS ((real)1e-9)

struct candidate {
    int anchor, box;
    real overlap, align;
};

struct assigner {
    int n_anchors;
    real least_side; /* net pixels */
    struct ciou_box *predicted; /* [n_anchors] net pixels, valid where is_decoded */
    bool *is_decoded;
    struct candidate *items; /* all (box, anchor inside it) pairs, box by box, anchors rising */
    size_t n, cap;
    int *taken_by; /* [n_anchors] candidate index, -1 none; -2 = taken by several */
    real *best_align, *best_overlap;
    size_t cap_boxes;
};

struct assigner *assigner_open(int n_anchors)
{
    struct assigner *a = mem_alloc(sizeof *a);
    a->n_anchors = n_anchors;
    a->predicted = mem_alloc(mem_mul((size_t)n_anchors, sizeof *a->predicted));
    a->is_decoded = mem_alloc((size_t)n_anchors);
    a->taken_by = mem_alloc(mem_mul((size_t)n_anchors, sizeof(int)));
    return a;
}

void assigner_close(struct assigner *a)
{
    if (!a)
        return;
    mem_free(a->predicted);
    mem_free(a->is_decoded);
    mem_free(a->taken_by);
    mem_free(a->items);
    mem_free(a->best_align);
    mem_free(a->best_overlap);
    mem_free(a);
}

void assigner_widen(struct assigner *a, real least_side)
{
    a->least_side = least_side;
}

static const struct ciou_box *predicted_box(struct assigner *a, const struct detector *d, int image, int anchor,
                                            const struct anchor *at)
{
    struct ciou_box *p = &a->predicted[anchor];
    if (!a->is_decoded[anchor]) {
        real s[4], px = (real)at->stride;
        detector_distances(d, image, at, s, NULL);
        *p = (struct ciou_box){(at->x - s[0]) * px, (at->y - s[1]) * px, (at->x + s[2]) * px, (at->y + s[3]) * px};
        a->is_decoded[anchor] = true;
    }
    return p;
}

static real class_score(const struct detector *d, int image, const struct anchor *at, int class_id)
{
    const struct tensor *t = &d->net.tensors[d->cls[at->level]];
    struct view m = tensor_data(t, image);
    real logit = *view_channel(&m, class_id, at->cell / t->w, at->cell % t->w);
    return (real)(1 / (1 + exp(-(double)logit)));
}

static int clamp_cell(real v, int n)
{
    return v < 0 ? 0 : v >= (real)n ? n - 1 : (int)v;
}

static void add_candidate(struct assigner *a, const struct detector *d, int image, int anchor, int box, int class_id,
                          const struct ciou_box *truth, const struct ciou_box *reach)
{
    struct anchor at = detector_anchor(d, anchor);
    real x = at.x * (real)at.stride, y = at.y * (real)at.stride;
    if (!(x - reach->x1 > INSIDE_EPS && y - reach->y1 > INSIDE_EPS && reach->x2 - x > INSIDE_EPS &&
          reach->y2 - y > INSIDE_EPS))
        return;
    real overlap = ciou(truth, predicted_box(a, d, image, anchor, &at), NULL);
    if (!(overlap > 0))
        overlap = 0;
    real cube = overlap * overlap * overlap;
    MEM_GROW(a->items, a->n, a->cap);
    a->items[a->n++] = (struct candidate){
        .anchor = anchor,
        .box = box,
        .overlap = overlap,
        .align = (real)sqrt((double)class_score(d, image, &at, class_id)) * cube * cube,
    };
}

static void widen(real *low, real *high, real least)
{
    real lack = (least - (*high - *low)) / 2;
    if (lack > 0) {
        *low -= lack;
        *high += lack;
    }
}

/* Anchors inside the box, level by level: only the cells that can be inside are looked at. */
static void collect(struct assigner *a, const struct detector *d, int image, int box, int class_id,
                    const struct ciou_box *truth)
{
    int base = 0;
    struct ciou_box reach = *truth;
    widen(&reach.x1, &reach.x2, a->least_side);
    widen(&reach.y1, &reach.y2, a->least_side);
    for (int l = 0; l < SPEC_LEVELS; l++) {
        int stride = d->spec->level_strides[l], h = d->h / stride, w = d->w / stride;
        int x0 = clamp_cell(reach.x1 / (real)stride - 1, w), x1 = clamp_cell(reach.x2 / (real)stride + 1, w);
        int y0 = clamp_cell(reach.y1 / (real)stride - 1, h), y1 = clamp_cell(reach.y2 / (real)stride + 1, h);
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++)
                add_candidate(a, d, image, base + y * w + x, box, class_id, truth, &reach);
        base += h * w;
    }
}

/* The ten best of candidates [first, a->n) by align; lower anchors win ties because they come first. */
static void take_best(struct assigner *a, size_t first)
{
    size_t top[TOP_K];
    int n = 0;
    for (size_t i = first; i < a->n; i++) {
        if (!(a->items[i].align > 0))
            continue;
        int at = n;
        while (at > 0 && a->items[top[at - 1]].align < a->items[i].align)
            at--;
        if (at == TOP_K)
            continue;
        int last = n < TOP_K ? n++ : TOP_K - 1;
        for (int j = last; j > at; j--)
            top[j] = top[j - 1];
        top[at] = i;
    }
    for (int i = 0; i < n; i++) {
        int *t = &a->taken_by[a->items[top[i]].anchor];
        *t = *t == -1 ? (int)top[i] : -2;
    }
}

/* An anchor wanted by several goes to the box around it with the largest overlap. */
static void settle(struct assigner *a)
{
    for (size_t i = 0; i < a->n; i++) {
        int *t = &a->taken_by[a->items[i].anchor];
        if (*t <= -2) { /* -2: none seen yet; -3-i: best so far is candidate i */
            int best = -3 - *t;
            if (*t == -2 || a->items[i].overlap > a->items[best].overlap)
                *t = -3 - (int)i;
        }
    }
    for (int i = 0; i < a->n_anchors; i++)
        if (a->taken_by[i] <= -3)
            a->taken_by[i] = -3 - a->taken_by[i];
}

static void reset(struct assigner *a, int n_labels)
{
    a->n = 0;
    memset(a->is_decoded, 0, (size_t)a->n_anchors);
    for (int i = 0; i < a->n_anchors; i++)
        a->taken_by[i] = -1;
    if ((size_t)n_labels > a->cap_boxes) {
        a->cap_boxes = (size_t)n_labels * 2;
        a->best_align = mem_resize(a->best_align, mem_mul(a->cap_boxes, sizeof(real)));
        a->best_overlap = mem_resize(a->best_overlap, mem_mul(a->cap_boxes, sizeof(real)));
    }
    for (int i = 0; i < n_labels; i++)
        a->best_align[i] = a->best_overlap[i] = 0;
}

static struct ciou_box truth_of(const struct label *l, const struct detector *d)
{
    real nw = (real)d->w, nh = (real)d->h;
    real x = (real)l->x * nw, y = (real)l->y * nh, w = (real)l->w * nw / 2, h = (real)l->h * nh / 2;
    return (struct ciou_box){x - w, y - h, x + w, y + h};
}

int assign_image(struct assigner *a, const struct detector *d, int image, const struct label *labels, int n_labels,
                 struct target *out)
{
    reset(a, n_labels);
    for (int g = 0; g < n_labels; g++) {
        struct ciou_box truth = truth_of(&labels[g], d);
        size_t first = a->n;
        collect(a, d, image, g, labels[g].class_id, &truth);
        take_best(a, first);
    }
    settle(a);
    for (int i = 0; i < a->n_anchors; i++) {
        if (a->taken_by[i] < 0)
            continue;
        const struct candidate *c = &a->items[a->taken_by[i]];
        if (c->align > a->best_align[c->box])
            a->best_align[c->box] = c->align;
        if (c->overlap > a->best_overlap[c->box])
            a->best_overlap[c->box] = c->overlap;
    }
    int n = 0;
    for (int i = 0; i < a->n_anchors; i++) {
        if (a->taken_by[i] < 0)
            continue;
        const struct candidate *c = &a->items[a->taken_by[i]];
        struct anchor at = detector_anchor(d, i);
        struct ciou_box t = truth_of(&labels[c->box], d), p = *predicted_box(a, d, image, i, &at);
        real unit = 1 / (real)at.stride, alpha;
        struct ciou_box pc = {p.x1 * unit, p.y1 * unit, p.x2 * unit, p.y2 * unit};
        struct ciou_box tc = {t.x1 * unit, t.y1 * unit, t.x2 * unit, t.y2 * unit};
        ciou(&pc, &tc, &alpha);
        out[n++] = (struct target){
            .anchor = i,
            .class_id = labels[c->box].class_id,
            .box = t,
            .score = c->align * a->best_overlap[c->box] / (a->best_align[c->box] + NORM_EPS),
            .alpha = alpha,
        };
    }
    return n;
}
