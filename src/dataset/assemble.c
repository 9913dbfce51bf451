#include <stdlib.h>
#include <string.h>

#include "dataset/draft.h"

/* Defects of the whole dataset belong to its folder. */
#define UNLEARNABLE_NAMED 5 /* classes in one warning */
#define WHOLE "."

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct draft_image *)a)->name, ((const struct draft_image *)b)->name);
}

struct stem {
    const char *stem, *name;
};

static int by_stem(const void *a, const void *b)
{
    const struct stem *x = a, *y = b;
    int order = strcmp(x->stem, y->stem);
    return order ? order : strcmp(x->name, y->name);
}

/* a.jpg and a.png would both use a.txt or a.xml. COCO names whole files. */
static void report_collisions(struct draft *d)
{
    if (d->format == DATASET_COCO || d->n_images == 0)
        return;
    struct stem *stems = ARENA_NEW(&d->scratch, struct stem, (size_t)d->n_images);
    for (int i = 0; i < d->n_images; i++) {
        const char *name = d->images[i].name;
        stems[i] = (struct stem){arena_strndup(&d->scratch, name, strlen(name) - strlen(fs_ext(name))), name};
    }
    qsort(stems, (size_t)d->n_images, sizeof *stems, by_stem);
    for (int i = 1; i < d->n_images; i++) {
        if (strcmp(stems[i].stem, stems[i - 1].stem) == 0)
            draft_error(d, stems[i].name, 0,
                        "has the same label file as %s: rename one image and its labels, or remove it",
                        stems[i - 1].name);
    }
}

static enum dataset_part part_of(struct draft *d, const struct draft_image *im, float val_fraction)
{
    bool in_train = im->parts & 1u << PART_TRAIN, in_val = im->parts & 1u << PART_VAL,
         in_test = im->parts & 1u << PART_TEST;
    if (in_train && in_val)
        draft_error(d, im->name, 0,
                    "is in the training and in the validation part: take it out of one, or its score means nothing");
    if (!d->split_is_named && (in_train || !in_test))
        return dataset_split(fs_stem(&d->scratch, im->name), val_fraction);
    return in_val ? PART_VAL : in_test && !in_train ? PART_TEST : PART_TRAIN;
}

static void check_size(struct draft *d, const struct draft_image *im)
{
    if (im->said_w > 0 && (im->said_w != im->w || im->said_h != im->h))
        draft_warning(d, im->said_by, 0,
                      "says that %s has %dx%d pixels, but it has %dx%d: the image is believed; check its boxes",
                      im->name, im->said_w, im->said_h, im->w, im->h);
}

static void count(struct dataset *out, const struct sample *s, int *last_image)
{
    *(s->part == PART_TRAIN ? &out->n_train : s->part == PART_VAL ? &out->n_val : &out->n_test) += 1;
    out->n_boxes += s->n_labels;
    out->n_background += s->n_labels == 0;
    for (int k = 0; k < s->n_labels; k++) {
        int c = s->labels[k].class_id;
        out->boxes_per_class[c]++;
        if (last_image[c] != out->n_samples) {
            last_image[c] = out->n_samples;
            out->images_per_class[c]++;
        }
    }
}

static void make_samples(struct draft *d, float val_fraction, struct dataset *out)
{
    int *last_image = ARENA_NEW(&d->scratch, int, (size_t)d->n_classes);
    for (int c = 0; c < d->n_classes; c++)
        last_image[c] = -1;
    for (int i = 0; i < d->n_images; i++) {
        struct draft_image *im = &d->images[i];
        enum dataset_part part = part_of(d, im, val_fraction);
        if (im->w == 0)
            continue; /* an error was told */
        check_size(d, im);
        struct sample s = {.path = fs_join(d->keep, d->folder, im->name),
                           .name = arena_strdup(d->keep, im->name),
                           .w = im->w,
                           .h = im->h,
                           .part = part};
        s.n_labels = draft_labels(d, im, &s.labels);
        count(out, &s, last_image);
        out->samples[out->n_samples++] = s;
    }
}

static void judge_whole(struct draft *d, const struct dataset *out)
{
    if (d->n_images == 0) {
        draft_error(d, WHOLE, 0, "no images: add JPEG, PNG or BMP files with their labels (format: %s)",
                    dataset_format_name(d->format));
        return;
    }
    if (out->n_samples == 0)
        return; /* every image has its own error */
    if (out->n_boxes == 0)
        draft_error(d, WHOLE, 0, "no image has a box: check where the label files lie (format: %s)",
                    dataset_format_name(d->format));
    if (out->n_train == 0)
        draft_error(d, WHOLE, 0, "no image to train on: %s",
                    d->split_is_named ? "every image is in the validation or test part; move some"
                                      : "lower val-fraction or add images");
    if (out->n_val == 0)
        draft_error(d, WHOLE, 0, "no image to validate on: %s",
                    d->split_is_named ? "the validation part that the dataset names is empty; add images to it"
                                      : "raise val-fraction or add images");
}

/* A class that has no box in the training part can only be missed. One line for all: of eighty names in data.yaml a small
 * dataset may use three. */
static void report_unlearnable(struct draft *d, const struct dataset *out)
{
    const char *names = "";
    int n = 0;
    bool *is_trained = ARENA_NEW(&d->scratch, bool, (size_t)d->n_classes);
    for (int i = 0; i < out->n_samples; i++) {
        for (int k = 0; k < out->samples[i].n_labels && out->samples[i].part == PART_TRAIN; k++)
            is_trained[out->samples[i].labels[k].class_id] = true;
    }
    for (int c = 0; c < d->n_classes; c++) {
        if (!is_trained[c] && n++ < UNLEARNABLE_NAMED)
            names = arena_printf(&d->scratch, "%s%s%d '%s'", names, *names ? ", " : "", c, d->classes[c]);
    }
    if (n == 0 || out->n_boxes == 0 || out->n_train == 0)
        return;
    const char *more = n > UNLEARNABLE_NAMED ? arena_printf(&d->scratch, " and %d more", n - UNLEARNABLE_NAMED) : "";
    draft_warning(d, WHOLE, 0, "%s %s%s %s no box in the training part and cannot be learnt: add images or remove %s",
                  n == 1 ? "class" : "classes", names, more, n == 1 ? "has" : "have", n == 1 ? "it" : "them");
}

static void check_classes(struct draft *d)
{
    struct stem *names = ARENA_NEW(&d->scratch, struct stem, (size_t)d->n_classes);
    for (int c = 0; c < d->n_classes; c++)
        names[c] = (struct stem){d->classes[c], ""};
    if (d->n_classes > 1)
        qsort(names, (size_t)d->n_classes, sizeof *names, by_stem);
    for (int c = 1; c < d->n_classes; c++) {
        if (strcmp(names[c].stem, names[c - 1].stem) == 0)
            draft_error(d, WHOLE, 0, "two classes are called '%s': rename or join them", names[c].stem);
    }
}

void draft_assemble(struct draft *d, const struct dataset_options *o, struct pool *pool, struct dataset *out)
{
    if (d->n_images)
        qsort(d->images, (size_t)d->n_images, sizeof *d->images, by_name);
    for (int i = 0; i < d->n_images; i++)
        d->image_of_entry[draft_find(d, d->images[i].name)] = i;
    *out = (struct dataset){.format = d->format, .n_classes = d->n_classes, .split_is_named = d->split_is_named};
    out->classes = ARENA_NEW(d->keep, const char *, (size_t)d->n_classes);
    for (int c = 0; c < d->n_classes; c++)
        out->classes[c] = d->classes[c];
    out->boxes_per_class = ARENA_NEW(d->keep, long, (size_t)d->n_classes);
    out->images_per_class = ARENA_NEW(d->keep, long, (size_t)d->n_classes);
    out->samples = ARENA_NEW(d->keep, struct sample, (size_t)d->n_images);

    draft_probe(d, pool);
    check_classes(d);
    report_collisions(d);
    make_samples(d, o->val_fraction, out);
    judge_whole(d, out);
    report_unlearnable(d, out);

    defects_sort(d->defects, d->n_defects);
    out->defects = ARENA_NEW(d->keep, struct defect, (size_t)d->n_defects);
    for (int i = 0; i < d->n_defects; i++)
        out->defects[i] = d->defects[i];
    out->n_defects = d->n_defects;
    out->n_errors = d->n_errors;
    out->n_warnings = d->n_warnings;
}
