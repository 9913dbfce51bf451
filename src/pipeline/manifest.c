/* manifest.json: what was trained, on what, how, how well, where. */
#include <string.h>

#include "core/clock.h"
#include "core/thread.h"
#include "pipeline/publish_model.h"
#include "train/train.h"

static struct json *dataset_object(const struct job *j)
{
    const struct dataset *d = &j->dataset;
    struct json *out = json_new_object(), *classes = json_new_array();
    for (int i = 0; i < d->n_classes; i++)
        json_append(classes, json_new_string(d->classes[i]));
    json_set(out, "checksum", json_new_string(j->manifest.checksum));
    json_set(out, "files", json_new_int(j->manifest.n_files));
    json_set(out, "images", json_new_int(d->n_samples));
    json_set(out, "boxes", json_new_int(d->n_boxes));
    json_set(out, "classes", classes);
    json_set(out, "train", json_new_int(d->n_train));
    json_set(out, "val", json_new_int(d->n_val));
    return out;
}

static struct json *scores_object(const struct metrics *m)
{
    struct json *out = json_new_object();
    json_set(out, "map50", json_new_number(m->map50));
    json_set(out, "map50_95", json_new_number(m->map50_95));
    json_set(out, "precision", json_new_number(m->precision));
    json_set(out, "recall", json_new_number(m->recall));
    return out;
}

static struct json *per_class(const struct metrics *m, const char *const *names, int n_classes)
{
    struct json *classes = json_new_array();
    for (int i = 0; i < m->n_classes && m->per_class; i++) {
        const struct class_metrics *c = &m->per_class[i];
        struct json *row = json_new_object();
        json_set(row, "name", json_new_string(i < n_classes ? names[i] : "?"));
        json_set(row, "map50", json_new_number(c->map50));
        json_set(row, "map50_95", json_new_number(c->map50_95));
        json_set(row, "boxes", json_new_int(c->n_boxes));
        json_append(classes, row);
    }
    return classes;
}

/* By the strict rule, on rectangular input; beside it by the other rules, and on square input. */
static struct json *metrics_object(const struct job *j, const struct trained *t)
{
    const struct metrics *m = &t->best;
    struct json *out = scores_object(m);
    json_set(out, "confidence", json_new_number(m->confidence));
    json_set(out, "rule", json_new_string("strict"));
    json_set(out, "input", json_new_string("rectangular"));
    json_set(out, "classic", scores_object(&t->best_classic));
    json_set(out, "coco", scores_object(&t->best_coco));
    json_set(out, "square", scores_object(&t->best_square));
    json_set(out, "per_class", per_class(m, (const char *const *)j->dataset.classes, j->dataset.n_classes));
    return out;
}

struct json *manifest_metrics(const struct metrics *m, const char *const *names, int n_classes)
{
    struct json *out = scores_object(m);
    json_set(out, "per_class", per_class(m, names, n_classes));
    return out;
}

/* In tensors: as they were, by their first channels, not from the file, of the file without a place. */
static struct json *transfer_object(const struct transfer *t)
{
    struct json *out = json_new_object();
    json_set(out, "taken", json_new_int(t->n_taken));
    json_set(out, "cut", json_new_int(t->n_cut));
    json_set(out, "fresh", json_new_int(t->n_classes + t->n_absent));
    json_set(out, "unused", json_new_int(t->n_unused));
    return out;
}

static struct json *training_object(const struct job *j, const struct trained *t)
{
    struct json *out = json_new_object();
    json_set(out, "epochs", json_new_int(t->n_rows));
    json_set(out, "epochs_planned", json_new_int(t->epochs));
    json_set(out, "best_epoch", json_new_int(t->best_epoch));
    json_set(out, "seconds", json_new_number(t->seconds));
    json_set(out, "images_per_second", json_new_number(t->images_per_second));
    json_set(out, "jobs", json_new_int(j->n_jobs));
    json_set(out, "threads", json_new_int(j->config->threads));
    json_set(out, "cpu", json_new_string(cpu_name()));
    json_set(out, "kernels", json_new_string(t->kernels));
    json_set(out, "engine", json_new_int(TRAIN_ENGINE));
    if (j->weights.transfer.kinds)
        json_set(out, "initial_weights", transfer_object(&j->weights.transfer));
    return out;
}

static struct json *source_object(const struct host *h)
{
    struct json *out = json_new_object();
    json_set(out, "host", json_new_string(h->name));
    json_set(out, "repository", json_new_string(h->repository));
    json_set(out, "commit", json_new_string(h->commit));
    json_set(out, "ref", json_new_string(h->ref));
    json_set(out, "run_url", json_new_string(h->run_url));
    return out;
}

struct json *manifest_build(const struct job *j, const struct trained *t)
{
    char now[CLOCK_RFC3339];
    struct json *out = json_new_object();
    clock_rfc3339(clock_now(), now);
    json_set(out, "schema", json_new_int(1));
    json_set(out, "version", json_new_string(j->version.name));
    json_set(out, "created_at", json_new_string(now));
    json_set(out, "dataset", dataset_object(j));
    json_set(out, "recipe", config_recipe_json(j->config, j->weights.sha256, TRAIN_ENGINE));
    json_set(out, "recipe_checksum", json_new_string(j->version.recipe_checksum));
    if (t) {
        json_set(out, "metrics", metrics_object(j, t));
        json_set(out, "training", training_object(j, t));
    }
    json_set(out, "source", source_object(j->host));
    json_set(out, "parent", json_new_string(j->weights.parent));
    if (j->weights.leakage.status != LEAKAGE_NOT_ASKED)
        json_set(out, "leakage", leakage_json(&j->weights.leakage));
    return out;
}
