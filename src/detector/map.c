#include "detector/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define N_THRESHOLDS 10
#define N_POINTS 101       /* recalls 0, 0.01, ..., 1 */
#define N_CONFIDENCES 1000 /* grid on which the best F1 is looked for */
#define SMOOTH_HALF 50     /* the mean F1 is smoothed over a tenth of the grid: 101 points */

static const struct rule {
    bool clips;          /* detections are clipped to the image before they are compared */
    bool wants_taken;    /* a detection may want a label that another one has, and is a miss then */
    bool last_of_equals; /* of labels that it overlaps equally it wants the last */
} rules[MAP_RULES] = {
    [MAP_RULE_STRICT] = {.clips = false, .wants_taken = false, .last_of_equals = false},
    [MAP_RULE_CLASSIC] = {.clips = true, .wants_taken = true, .last_of_equals = true},
    [MAP_RULE_COCO] = {.clips = true, .wants_taken = false, .last_of_equals = true},
};

/* One detection, judged: bit k of hits[rule] says that it is right at threshold k. */
struct judged {
    float score;
    unsigned hits[MAP_RULES];
    int class_id, image, index;
};

struct map {
    int n_classes, n_images;
    long *n_labels; /* [n_classes] */
    struct judged *items;
    size_t n, cap;
};

struct map *map_open(int n_classes)
{
    struct map *m = mem_alloc(sizeof *m);
    m->n_classes = n_classes;
    m->n_labels = mem_alloc(mem_mul((size_t)n_classes, sizeof *m->n_labels));
    return m;
}

void map_close(struct map *m)
{
    if (!m)
        return;
    mem_free(m->n_labels);
    mem_free(m->items);
    mem_free(m);
}

static float threshold(int i)
{
    return (float)(0.5 + 0.05 * i);
}

static int surest_first(const void *pa, const void *pb)
{
    const struct judged *a = *(struct judged *const *)pa, *b = *(struct judged *const *)pb;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* The labels of an image while its detections are matched by one rule. */
struct labels {
    const struct rule *rule;
    const struct truth *items;
    int n;
    float *overlaps; /* [n] with the detection at work; 0 for another class */
    unsigned *taken; /* [n] bit k: at threshold k */
};

/* Returns the largest overlap. */
static float overlap_labels(struct labels *l, const struct detection *d, float w, float h)
{
    struct box box = l->rule->clips ? box_clip(d->box, w, h) : d->box;
    float most = 0;
    for (int j = 0; j < l->n; j++) {
        l->overlaps[j] = d->class_id == l->items[j].class_id ? box_iou(box, l->items[j].box) : 0;
        most = l->overlaps[j] > most ? l->overlaps[j] : most;
    }
    return most;
}

static bool is_free(const struct labels *l, int label, int at_threshold)
{
    return !(l->taken[label] >> at_threshold & 1);
}

/* -1 = none is left. */
static int wanted_label(const struct labels *l, int at_threshold)
{
    int best = -1;
    for (int j = 0; j < l->n; j++) {
        if (!l->rule->wants_taken && !is_free(l, j, at_threshold))
            continue;
        bool is_equal = best >= 0 && l->overlaps[j] == l->overlaps[best];
        if (best < 0 || l->overlaps[j] > l->overlaps[best] || (is_equal && l->rule->last_of_equals))
            best = j;
    }
    return best;
}

static unsigned match_one(struct labels *l, const struct detection *d, float w, float h)
{
    float most = overlap_labels(l, d, w, h);
    unsigned hits = 0;
    for (int k = 0; k < N_THRESHOLDS && most >= threshold(k); k++) {
        int j = wanted_label(l, k);
        if (j < 0 || !(l->overlaps[j] >= threshold(k)) || !is_free(l, j, k))
            continue;
        l->taken[j] |= 1u << k;
        hits |= 1u << k;
    }
    return hits;
}

static void match(float w, float h, const struct detection *d, int n_detections, const struct truth *t, int n_truths,
                  struct judged *out)
{
    struct arena scratch = {0};
    struct judged **order = ARENA_NEW(&scratch, struct judged *, (size_t)n_detections);
    for (int i = 0; i < n_detections; i++)
        order[i] = &out[i];
    qsort(order, (size_t)n_detections, sizeof *order, surest_first);
    for (int rule = 0; rule < MAP_RULES; rule++) {
        struct labels l = {.rule = &rules[rule],
                           .items = t,
                           .n = n_truths,
                           .overlaps = ARENA_NEW(&scratch, float, (size_t)n_truths),
                           .taken = ARENA_NEW(&scratch, unsigned, (size_t)n_truths)};
        for (int i = 0; i < n_detections; i++)
            order[i]->hits[rule] = match_one(&l, &d[order[i]->index], w, h);
    }
    arena_free(&scratch);
}

void map_add_image(struct map *m, float w, float h, const struct detection *d, int n_detections, const struct truth *t,
                   int n_truths)
{
    for (int i = 0; i < n_truths; i++) {
        if (t[i].class_id < 0 || t[i].class_id >= m->n_classes)
            BUG("label %d of class %d of %d", i, t[i].class_id, m->n_classes);
        m->n_labels[t[i].class_id]++;
    }
    size_t first = m->n;
    for (int i = 0; i < n_detections; i++) {
        if (d[i].class_id < 0 || d[i].class_id >= m->n_classes || !(d[i].score >= 0))
            BUG("detection %d of class %d of %d with score %g", i, d[i].class_id, m->n_classes, (double)d[i].score);
        MEM_GROW(m->items, m->n, m->cap);
        m->items[m->n++] = (struct judged){.score = d[i].score, .class_id = d[i].class_id, .image = m->n_images, .index = i};
    }
    if (n_detections > 0 && n_truths > 0)
        match(w, h, d, n_detections, t, n_truths, m->items + first);
    m->n_images++;
}

static int by_class_and_score(const void *pa, const void *pb)
{
    const struct judged *a = pa, *b = pb;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Linear interpolation as numpy.interp does it: xp never falls; of equal xp the last counts; outside, the ends. */
static double interpolate(const double *xp, const double *fp, size_t n, double x)
{
    size_t low = 0, high = n; /* first index whose xp is beyond x */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (xp[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return fp[0];
    size_t j = low - 1;
    if (j == n - 1 || xp[j] == x)
        return fp[j];
    return (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]) * (x - xp[j]) + fp[j];
}

/* The curve of one class at one threshold. All arrays have room for n + 3 points: (0,1), the detections, the rule's end. */
struct curve {
    double *recall, *precision;
    size_t n;
};

static void trace(const struct judged *d, size_t n, long n_labels, enum map_rule rule, int at_threshold,
                  struct curve *c)
{
    long hits = 0;
    c->recall[0] = 0;
    c->precision[0] = 1;
    for (size_t i = 0; i < n; i++) {
        hits += d[i].hits[rule] >> at_threshold & 1;
        c->recall[i + 1] = (double)hits / (double)n_labels;
        c->precision[i + 1] = (double)hits / (double)(i + 1);
    }
    c->n = n + 1;
}

static void add_point(struct curve *c, double recall, double precision)
{
    c->recall[c->n] = recall;
    c->precision[c->n++] = precision;
}

/* The 101 recalls as numpy.linspace makes them: a recall of 29/100 lies below the 29th of them, and that is visible. */
static double recall_point(int i)
{
    return i == N_POINTS - 1 ? 1 : i * 0.01;
}

static void make_envelope(struct curve *c)
{
    for (size_t i = c->n - 1; i-- > 0;)
        if (c->precision[i] < c->precision[i + 1])
            c->precision[i] = c->precision[i + 1];
}

static double trapezoids(const struct curve *c)
{
    double area = 0, previous = interpolate(c->recall, c->precision, c->n, 0);
    for (int i = 1; i < N_POINTS; i++) {
        double y = interpolate(c->recall, c->precision, c->n, recall_point(i));
        area += (previous + y) / 2 * (recall_point(i) - recall_point(i - 1));
        previous = y;
    }
    return area;
}

static double mean_of_steps(const struct curve *c)
{
    double sum = 0;
    size_t at = 1; /* the detections only: no (0,1) */
    for (int i = 0; i < N_POINTS; i++) {
        while (at < c->n && c->recall[at] < recall_point(i))
            at++;
        sum += at < c->n ? c->precision[at] : 0;
    }
    return sum / N_POINTS;
}

/* Without a single detection the class is not found at all. */
static double average_precision(struct curve *c, enum map_rule rule)
{
    if (c->n == 1)
        return 0;
    if (rule == MAP_RULE_STRICT)
        add_point(c, c->recall[c->n - 1], 0);
    if (rule != MAP_RULE_COCO)
        add_point(c, 1, 0);
    make_envelope(c);
    return rule == MAP_RULE_COCO ? mean_of_steps(c) : trapezoids(c);
}

/* Precision and recall at every confidence of the grid. Above the best score precision is 1 and recall 0. */
static void trace_confidence(const struct judged *d, size_t n, const struct curve *c, double *minus_score, double *precision,
                             double *recall)
{
    for (size_t i = 0; i < n; i++)
        minus_score[i] = -(double)d[i].score; /* rising, as interpolate wants it */
    for (int i = 0; i < N_CONFIDENCES; i++) {
        double x = -i / (double)(N_CONFIDENCES - 1);
        bool is_above = x < minus_score[0];
        precision[i] = is_above ? 1 : interpolate(minus_score, c->precision + 1, n, x);
        recall[i] = is_above ? 0 : interpolate(minus_score, c->recall + 1, n, x);
    }
}

static int best_confidence(const double *f1)
{
    int best = 0;
    double best_value = -1;
    for (int i = 0; i < N_CONFIDENCES; i++) {
        double sum = 0;
        for (int j = i - SMOOTH_HALF; j <= i + SMOOTH_HALF; j++)
            sum += f1[j < 0 ? 0 : j >= N_CONFIDENCES ? N_CONFIDENCES - 1 : j];
        if (sum > best_value) {
            best_value = sum;
            best = i;
        }
    }
    return best;
}

/* Everything about one class with labels: AP over the thresholds, and its rows of the confidence grid. */
static void compute_class(const struct judged *d, size_t n, long n_labels, enum map_rule rule, struct arena *a,
                          struct class_metrics *out, double *precision, double *recall)
{
    struct curve c = {.recall = ARENA_NEW(a, double, n + 3), .precision = ARENA_NEW(a, double, n + 3)};
    double sum = 0;
    for (int i = 0; i < N_THRESHOLDS; i++) {
        trace(d, n, n_labels, rule, i, &c);
        if (i == 0 && n > 0)
            trace_confidence(d, n, &c, ARENA_NEW(a, double, n), precision, recall);
        double ap = average_precision(&c, rule);
        if (i == 0)
            out->map50 = ap;
        sum += ap;
    }
    out->map50_95 = sum / N_THRESHOLDS;
}

static void average(struct metrics *out, const double *precision, const double *recall, const double *f1, int n_seen)
{
    int at = best_confidence(f1);
    out->confidence = at / (double)(N_CONFIDENCES - 1);
    for (int c = 0; c < out->n_classes; c++) {
        struct class_metrics *k = &out->per_class[c];
        k->precision = precision[(size_t)c * N_CONFIDENCES + (size_t)at];
        k->recall = recall[(size_t)c * N_CONFIDENCES + (size_t)at];
        out->precision += k->precision / n_seen;
        out->recall += k->recall / n_seen;
        out->map50 += k->map50 / n_seen;
        out->map50_95 += k->map50_95 / n_seen;
    }
}

void map_compute(const struct map *m, enum map_rule rule, struct arena *a, struct metrics *out)
{
    *out = (struct metrics){.n_classes = m->n_classes, .n_images = m->n_images};
    out->per_class = ARENA_NEW(a, struct class_metrics, (size_t)m->n_classes);
    struct arena scratch = {0};
    struct judged *sorted = ARENA_NEW(&scratch, struct judged, m->n);
    if (m->n > 0) {
        memcpy(sorted, m->items, m->n * sizeof *sorted);
        qsort(sorted, m->n, sizeof *sorted, by_class_and_score);
    }
    size_t grid = mem_mul((size_t)m->n_classes, N_CONFIDENCES), first = 0;
    double *precision = ARENA_NEW(&scratch, double, grid), *recall = ARENA_NEW(&scratch, double, grid);
    double f1[N_CONFIDENCES] = {0};
    int n_seen = 0;
    for (int c = 0; c < m->n_classes; c++) {
        size_t n = 0;
        while (first + n < m->n && sorted[first + n].class_id == c)
            n++;
        out->per_class[c].n_boxes = m->n_labels[c];
        if (m->n_labels[c] > 0) {
            double *p = precision + (size_t)c * N_CONFIDENCES, *r = recall + (size_t)c * N_CONFIDENCES;
            compute_class(sorted + first, n, m->n_labels[c], rule, &scratch, &out->per_class[c], p, r);
            for (int i = 0; i < N_CONFIDENCES; i++)
                f1[i] += 2 * p[i] * r[i] / (p[i] + r[i] + 1e-16);
            n_seen++;
        }
        first += n;
    }
    if (n_seen > 0)
        average(out, precision, recall, f1, n_seen);
    arena_free(&scratch);
}
