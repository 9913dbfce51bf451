/* From what label files say to labels: fractions, inside the image, with an area, each once. */
#include <stdlib.h>
#include <string.h>

#include "dataset/draft.h"

/* Tools round to a few digits: this much outside the image is not worth a word. VOC's and COCO's pixels may be off by one. */
#define SLACK_FRACTION 1e-3
#define SLACK_PIXELS 1.0

struct placed_label {
    struct label label;
    const struct draft_box *from;
    int place; /* in its file */
};

static double clamp(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* False: nothing is left of the box; a warning says why. */
static bool to_label(struct draft *d, const struct draft_image *im, const struct draft_box *b, struct label *out)
{
    double sx = b->is_pixel ? im->w : 1, sy = b->is_pixel ? im->h : 1;
    double x1 = b->x1 / sx, y1 = b->y1 / sy, x2 = b->x2 / sx, y2 = b->y2 / sy;
    double slack_x = b->is_pixel ? SLACK_PIXELS / sx + 1e-9 : SLACK_FRACTION,
           slack_y = b->is_pixel ? SLACK_PIXELS / sy + 1e-9 : SLACK_FRACTION;
    if (!(x2 > x1) || !(y2 > y1)) {
        draft_warning(d, b->file, b->line, "%sbox without area: dropped", b->note);
        return false;
    }
    double cx1 = clamp(x1), cy1 = clamp(y1), cx2 = clamp(x2), cy2 = clamp(y2);
    if (!(cx2 > cx1) || !(cy2 > cy1)) {
        draft_warning(d, b->file, b->line, "%sbox outside the image: dropped; %s", b->note,
                      b->is_pixel ? "coordinates are pixels of the image"
                                  : "coordinates are fractions of the image, 0 to 1");
        return false;
    }
    if (cx1 - x1 > slack_x || x2 - cx2 > slack_x || cy1 - y1 > slack_y || y2 - cy2 > slack_y)
        draft_warning(d, b->file, b->line, "%sbox reaches outside the image: cut at its border", b->note);
    *out = (struct label){b->class_id, (float)((cx1 + cx2) / 2), (float)((cy1 + cy2) / 2), (float)(cx2 - cx1),
                          (float)(cy2 - cy1)};
    return out->w > 0 && out->h > 0;
}

static int compare_labels(const struct label *a, const struct label *b)
{
    const float va[4] = {a->x, a->y, a->w, a->h}, vb[4] = {b->x, b->y, b->w, b->h};
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    for (int k = 0; k < 4; k++) {
        if (va[k] != vb[k])
            return va[k] < vb[k] ? -1 : 1;
    }
    return 0;
}

static int by_label(const void *a, const void *b)
{
    const struct placed_label *x = a, *y = b;
    int order = compare_labels(&x->label, &y->label);
    return order ? order : x->place - y->place;
}

static int by_place(const void *a, const void *b)
{
    return ((const struct placed_label *)a)->place - ((const struct placed_label *)b)->place;
}

static int drop_duplicates(struct draft *d, struct placed_label *labels, int n)
{
    int n_kept = 0;
    if (n < 2)
        return n;
    qsort(labels, (size_t)n, sizeof *labels, by_label);
    for (int i = 0; i < n; i++) {
        const struct draft_box *b = labels[i].from;
        if (n_kept > 0 && compare_labels(&labels[i].label, &labels[n_kept - 1].label) == 0)
            draft_warning(d, b->file, b->line, "%sthe same box again: dropped", b->note);
        else
            labels[n_kept++] = labels[i];
    }
    qsort(labels, (size_t)n_kept, sizeof *labels, by_place);
    return n_kept;
}

int draft_labels(struct draft *d, const struct draft_image *im, struct label **out)
{
    struct placed_label *labels = mem_alloc(mem_mul((size_t)im->n_boxes + 1, sizeof *labels));
    int n = 0;
    for (const struct draft_box *b = im->boxes; b; b = b->next) {
        if (to_label(d, im, b, &labels[n].label)) {
            labels[n].from = b;
            labels[n].place = n;
            n++;
        }
    }
    n = drop_duplicates(d, labels, n);
    *out = ARENA_NEW(d->keep, struct label, (size_t)n);
    for (int i = 0; i < n; i++)
        (*out)[i] = labels[i].label;
    mem_free(labels);
    return n;
}
