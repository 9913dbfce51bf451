/* Measures a model on a part of the dataset: a table for people; one JSON object with --log-format json, and in the file
 * that --output-json names. */
#include <stdio.h>
#include <string.h>

#include "command/commands.h"
#include "command/show.h"
#include "core/fs.h"
#include "core/json.h"
#include "pipeline/stages.h"

#define LIMIT_JSON_BYTES (16u << 20)

static const char *input_name(const struct job *j)
{
    return j->config->square ? "square" : "rectangular";
}

static void print_row(const struct class_metrics *const by_rule[MAP_RULES], const char *name)
{
    const struct class_metrics *m = by_rule[MAP_RULE_STRICT];
    printf("%7.4f  %8.4f  %9.4f  %7.4f  %7ld", m->map50, m->map50_95, m->precision, m->recall, m->n_boxes);
    for (int rule = MAP_RULE_STRICT + 1; rule < MAP_RULES; rule++)
        printf("  | %7.4f  %8.4f", by_rule[rule]->map50, by_rule[rule]->map50_95);
    printf("  | ");
    show_text(name);
    putchar('\n');
}

static void print_table(const struct job *j, const struct loaded *m, const struct metrics by_rule[MAP_RULES])
{
    const struct metrics *r = &by_rule[MAP_RULE_STRICT];
    struct class_metrics all[MAP_RULES];
    const struct class_metrics *row[MAP_RULES];
    for (int rule = 0; rule < MAP_RULES; rule++) {
        const struct metrics *x = &by_rule[rule];
        all[rule] = (struct class_metrics){x->map50, x->map50_95, x->precision, x->recall, 0};
        row[rule] = &all[rule];
    }
    for (int i = 0; i < r->n_classes; i++)
        all[MAP_RULE_STRICT].n_boxes += r->per_class[i].n_boxes;
    printf("%d images of part %s, %s input, confidence > %g, IoU %g; precision and recall at confidence %.3f\n", r->n_images,
           j->config->part, input_name(j), j->config->confidence, j->config->iou, r->confidence);
    printf("strict rule (what is published)               | classic (YOLOv8 8.3) | COCO's tool       |\n");
    printf("  mAP50  mAP50-95  precision   recall    boxes  |   mAP50  mAP50-95  |   mAP50  mAP50-95  | class\n");
    print_row(row, "all");
    for (int i = 0; i < r->n_classes; i++) {
        for (int rule = 0; rule < MAP_RULES; rule++)
            row[rule] = &by_rule[rule].per_class[i];
        print_row(row, m->class_names[i]);
    }
}

static void set_scores(struct json *out, double map50, double map50_95, double precision, double recall)
{
    json_set(out, "map50", json_new_number(map50));
    json_set(out, "map50_95", json_new_number(map50_95));
    json_set(out, "precision", json_new_number(precision));
    json_set(out, "recall", json_new_number(recall));
}

static struct json *per_class(const struct loaded *m, const struct metrics *r)
{
    struct json *out = json_new_array();
    for (int i = 0; i < r->n_classes; i++) {
        const struct class_metrics *c = &r->per_class[i];
        struct json *row = json_new_object();
        json_set(row, "name", json_new_string(m->class_names[i]));
        set_scores(row, c->map50, c->map50_95, c->precision, c->recall);
        json_set(row, "boxes", json_new_int(c->n_boxes));
        json_append(out, row);
    }
    return out;
}

static struct json *json_of(const struct job *j, const struct loaded *m, const struct metrics by_rule[MAP_RULES])
{
    static const char *const names[MAP_RULES] = {"strict", "classic", "coco"};
    const struct metrics *shown = &by_rule[MAP_RULE_STRICT];
    struct json *root = json_new_object();
    set_scores(root, shown->map50, shown->map50_95, shown->precision, shown->recall);
    json_set(root, "rule", json_new_string(names[MAP_RULE_STRICT]));
    json_set(root, "input", json_new_string(input_name(j)));
    json_set(root, "confidence", json_new_number(shown->confidence));
    json_set(root, "part", json_new_string(j->config->part));
    json_set(root, "images", json_new_int(shown->n_images));
    json_set(root, "per_class", per_class(m, shown));
    for (int rule = MAP_RULE_STRICT + 1; rule < MAP_RULES; rule++) {
        const struct metrics *r = &by_rule[rule];
        struct json *other = json_new_object();
        set_scores(other, r->map50, r->map50_95, r->precision, r->recall);
        json_set(other, "per_class", per_class(m, r));
        json_set(root, names[rule], other);
    }
    return root;
}

static bool print(const struct job *j, const struct loaded *m, const struct metrics by_rule[MAP_RULES], struct error *e)
{
    const char *file = j->config->output_json_path;
    struct json *root = json_of(j, m, by_rule);
    struct str_buf text = STR_BUF(LIMIT_JSON_BYTES);
    if (!strcmp(j->config->log_format, "json"))
        show_json_line(root);
    else
        print_table(j, m, by_rule);
    json_write(root, true, &text);
    bool ok = !*file || fs_write_atomic(file, str_buf_view(&text), e);
    str_buf_free(&text);
    json_free(root);
    return ok;
}

bool cmd_eval(struct job *j, struct error *e)
{
    struct loaded m = {0};
    struct metrics r[MAP_RULES];
    const char *path;
    if (!model_place(j, j->config->arguments[0], &path, e) || !job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e))
        return false;
    bool ok = stage_load(j, path, 0, &m, e) && stage_measure(j, &m, r, e) && print(j, &m, r, e);
    stage_unload(&m);
    return ok;
}
