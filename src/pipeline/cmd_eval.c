/* Measures a model file on the held-back images: a table for people, one JSON object with --log-format json. */
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "pipeline/show.h"
#include "pipeline/stages.h"

#define EVAL_BATCH 16

static void print_row(double map50, double map50_95, double precision, double recall, long n_boxes, const char *name)
{
    printf("%7.4f  %8.4f  %9.4f  %7.4f  %7ld  ", map50, map50_95, precision, recall, n_boxes);
    show_text(name);
    putchar('\n');
}

static void print_table(const struct loaded *m, const struct metrics *r)
{
    long n_boxes = 0;
    for (int i = 0; i < r->n_classes; i++)
        n_boxes += r->per_class[i].n_boxes;
    printf("  mAP50  mAP50-95  precision   recall    boxes  class\n");
    print_row(r->map50, r->map50_95, r->precision, r->recall, n_boxes, "all");
    for (int i = 0; i < r->n_classes; i++) {
        const struct class_metrics *c = &r->per_class[i];
        print_row(c->map50, c->map50_95, c->precision, c->recall, c->n_boxes, m->class_names[i]);
    }
}

static void print_json(const struct loaded *m, const struct metrics *r)
{
    struct json *root = json_new_object(), *classes = json_new_array();
    json_set(root, "map50", json_new_number(r->map50));
    json_set(root, "map50_95", json_new_number(r->map50_95));
    json_set(root, "precision", json_new_number(r->precision));
    json_set(root, "recall", json_new_number(r->recall));
    json_set(root, "images", json_new_int(r->n_images));
    for (int i = 0; i < r->n_classes; i++) {
        struct json *row = json_new_object();
        json_set(row, "name", json_new_string(m->class_names[i]));
        json_set(row, "map50", json_new_number(r->per_class[i].map50));
        json_set(row, "map50_95", json_new_number(r->per_class[i].map50_95));
        json_set(row, "boxes", json_new_int(r->per_class[i].n_boxes));
        json_append(classes, row);
    }
    json_set(root, "per_class", classes);
    show_json_line(root);
    json_free(root);
}

/* The held-back images count, defects of the training part do not matter here. */
bool cmd_eval(struct job *j, struct error *e)
{
    struct loaded m = {0};
    struct metrics r = {0};
    const char *path;
    if (!model_place(j, j->config->arguments[0], &path, e) || !job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e))
        return false;
    bool ok = stage_load(j, path, EVAL_BATCH, &m, e) && stage_measure(j, &m, &r, e);
    if (ok && !strcmp(j->config->log_format, "json"))
        print_json(&m, &r);
    else if (ok)
        print_table(&m, &r);
    stage_unload(&m);
    return ok;
}
