/* Measuring a model file: what `eval` was asked for, and the gate's comparison by the rule of what is published. */
#include <string.h>

#include "core/stop.h"
#include "detector/predict.h"
#include "pipeline/stages.h"
#include "train/evaluate.h"

#define LIMIT_CACHE_BYTES ((size_t)512 << 20)

static bool measure(struct job *j, const struct loaded *m, const struct dataset *d, enum dataset_part part, bool is_square,
                    const struct nms_options *nms, struct metrics out[MAP_RULES], int *n_images, struct error *e)
{
    struct cache images;
    enum cache_kind kind = is_square ? CACHE_SQUARE : CACHE_RECT;
    if (!cache_open(&images, d, part, kind, m->image_size, LIMIT_CACHE_BYTES, j->pool, e))
        return false;
    m->predictor->is_cancelled = stop_requested;
    bool ok = evaluate(m->predictor, m->model->params.data, &images, nms, j->arena, out);
    *n_images = images.n;
    cache_close(&images);
    return ok || fail(e, ERR_STOPPED, "stopped while measuring");
}

static enum dataset_part part_of(const char *name)
{
    return !strcmp(name, "train") ? PART_TRAIN : !strcmp(name, "test") ? PART_TEST : PART_VAL;
}

bool stage_measure(struct job *j, const struct loaded *m, struct metrics out[MAP_RULES], struct error *e)
{
    const struct config *c = j->config;
    const struct dataset *d = &j->dataset;
    bool same = d->n_classes == m->n_classes;
    for (int i = 0; same && i < d->n_classes; i++)
        same = !strcmp(d->classes[i], m->class_names[i]);
    if (!same)
        return fail(e, ERR_DATA, "the model's classes are not the dataset's (%d and %d): it cannot be measured on it",
                    m->n_classes, d->n_classes);
    struct nms_options o = EVALUATE_NMS;
    o.min_score = (float)c->confidence;
    o.max_iou = (float)c->iou;
    o.max_detections = c->max_detections;
    int n;
    if (!measure(j, m, d, part_of(c->part), c->square, &o, out, &n, e))
        return false;
    return n > 0 || fail(e, ERR_DATA, "dataset %s: there is no image in the part %s", c->dataset, c->part);
}

static int class_of(const struct loaded *m, const char *name)
{
    for (int i = 0; i < m->n_classes; i++)
        if (!strcmp(m->class_names[i], name))
            return i;
    return -1;
}

/* The dataset with its labels in the model's class numbers; boxes of classes that the model does not know are left out. */
static void relabel(const struct dataset *d, const struct loaded *m, struct arena *a, struct dataset *out)
{
    int *number = ARENA_NEW(a, int, (size_t)d->n_classes + 1);
    for (int i = 0; i < d->n_classes; i++)
        number[i] = class_of(m, d->classes[i]);
    *out = *d;
    out->samples = ARENA_NEW(a, struct sample, (size_t)d->n_samples + 1);
    for (int i = 0; i < d->n_samples; i++) {
        const struct sample *s = &d->samples[i];
        struct sample *copy = &out->samples[i];
        *copy = *s;
        copy->labels = ARENA_NEW(a, struct label, (size_t)s->n_labels + 1);
        copy->n_labels = 0;
        for (int k = 0; k < s->n_labels; k++) {
            struct label l = s->labels[k];
            if (l.class_id < 0 || l.class_id >= d->n_classes || number[l.class_id] < 0)
                continue;
            l.class_id = number[l.class_id];
            copy->labels[copy->n_labels++] = l;
        }
    }
}

bool stage_measure_held_back(struct job *j, const struct loaded *m, struct metrics *out, struct error *e)
{
    struct dataset theirs;
    struct metrics by_rule[MAP_RULES];
    int n;
    relabel(&j->dataset, m, j->arena, &theirs);
    if (!measure(j, m, &theirs, PART_VAL, false, &EVALUATE_NMS, by_rule, &n, e))
        return false;
    *out = by_rule[MAP_RULE_STRICT];
    return true;
}
