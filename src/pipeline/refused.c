/* A model that the gate refused is not thrown away: rejected/<version>/ in the store keeps it for people to look at, and
 * for the next run of this version, which asks the gate again, with the options and the published model of then, instead of
 * training for hours to the same end. */
#include "pipeline/refused.h"

#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "export/model_file.h"
#include "pipeline/checkpoints.h"
#include "pipeline/publish_model.h"
#include "store/rejected.h"

#define WEIGHTS "model.safetensors"
#define LIMIT_CSV_BYTES (64u << 20)

static struct json *verdict(const struct job *j, const char *reason)
{
    char now[CLOCK_RFC3339];
    struct json *out = json_new_object();
    clock_rfc3339(clock_now(), now);
    json_set(out, "reason", json_new_string(reason));
    json_set(out, "time", json_new_string(now));
    json_set(out, "min-map50", json_new_number(j->config->min_map50));
    json_set(out, "max-map50-drop", json_new_number(j->config->max_map50_drop));
    return out;
}

static bool keep(struct job *j, const struct trained *t, struct json *manifest, bool is_there, struct error *e)
{
    struct artifact artifacts[MAX_ARTIFACTS] = {0};
    size_t n = 0;
    if (is_there)
        return rejected_mark(j->store, j->version.name, manifest, e);
    return model_collect_refused(j, t, artifacts, &n, e) &&
           rejected_put(j->store, j->version.name, artifacts, n, manifest, e);
}

void refused_keep(struct job *j, const struct trained *t, struct json *manifest, struct error *why)
{
    struct error trouble = {0}, untidy = {0};
    const struct json *files = j->refused ? json_get(j->refused, "artifacts") : NULL;
    bool is_there = files != NULL;
    json_set(manifest, "rejected", verdict(j, why->message));
    if (is_there)
        json_set(manifest, "artifacts", json_copy(files));
    job_conclude(j, why->code == ERR_GATE ? "rejected" : "failed", arena_strdup(j->arena, why->message));
    report_write(j, t, manifest); /* the report is kept too */
    j->is_refused_kept = keep(j, t, manifest, is_there, &trouble) && checkpoints_clear(j->store, j->version.name, &trouble);
    if (!j->is_refused_kept) {
        log_warning("the refused model could not be kept in the store, its checkpoint and .retrain stay: %s", trouble.message);
        return;
    }
    if (!rejected_prune(j->store, clock_now(), &untidy))
        log_warning("older refused models stay: %s", untidy.message);
    fail(why, why->code, "%s; the model is kept in rejected/%s, and a next run asks the gate again without training", why->message,
         j->version.name);
    j->headline = arena_strdup(j->arena, why->message);
    if (why->code != ERR_GATE)
        j->next = "mend what the message names and run the job again: the gate is asked, nothing is trained";
    report_write(j, t, manifest);
}

/* ---- the next run ------------------------------------------------------------------------------------------------- */

static bool fetch(struct job *j, const char *name, const char **path, struct error *e)
{
    *path = arena_printf(j->arena, "%s/refused-%s", j->work_dir, name);
    return manifest_fetch(j->store, manifest_artifact(j->refused, name), *path, e);
}

/* Curves of the report; without them it has none. */
static void read_rows(struct job *j, struct trained *t)
{
    const char *path;
    struct str text;
    struct error e = {0};
    if (!fetch(j, "metrics.csv", &path, &e) || !fs_read_file(path, LIMIT_CSV_BYTES, j->arena, &text, &e) ||
        !report_csv_read(text, j->arena, &t->rows, &t->n_rows)) {
        log_debug("the refused model's metrics.csv: %s", e.code ? e.message : "damaged");
        t->n_rows = 0;
    }
}

/* What training would have given. */
static bool load(struct job *j, struct trained *t, struct error *e)
{
    const char *path;
    const struct json *metrics = json_get(j->refused, "metrics"), *training = json_get(j->refused, "training");
    struct model *m = ARENA_NEW(j->arena, struct model, 1);
    struct kernels *k = ARENA_NEW(j->arena, struct kernels, 1);
    if (!fetch(j, WEIGHTS, &path, e) || !stage_kernels(j, k, e) || !model_load(path, j->arena, m, e))
        return false;
    *t = (struct trained){
        .model = m,
        .engine_kernels = k,
        .best_epoch = (int)json_number(json_get(training, "best_epoch"), 0),
        .best = {.map50 = json_number(json_get(metrics, "map50"), 0), .map50_95 = json_number(json_get(metrics, "map50_95"), 0)},
        .seconds = json_number(json_get(training, "seconds"), 0),
        .images_per_second = json_number(json_get(training, "images_per_second"), 0),
        .kernels = k->name,
    };
    read_rows(j, t);
    return true;
}

bool refused_find(struct job *j, struct trained *t, struct error *e)
{
    struct error trouble = {0};
    if (j->config->force)
        return true;
    if (!rejected_find(j->store, j->version.name, &j->refused, e))
        return false;
    if (!j->refused)
        return true;
    log_info("%s was trained before and refused (%s): asking the gate again instead of training", j->version.name,
             json_string(json_get(json_get(j->refused, "rejected"), "reason"), "no reason given"));
    if (load(j, t, &trouble))
        return true;
    log_warning("the refused model cannot be used, training starts anew: %s", trouble.message);
    json_free(j->refused);
    j->refused = NULL;
    return true;
}

/* Members that belong to this run, not to the training. */
static bool copy_member(const char *key, const struct json *v, void *ctx)
{
    char now[CLOCK_RFC3339];
    if (!strcmp(key, "rejected") || !strcmp(key, "artifacts") || !strcmp(key, "comparison"))
        return true;
    clock_rfc3339(clock_now(), now);
    json_set(ctx, key, strcmp(key, "created_at") ? json_copy(v) : json_new_string(now)); /* publish order is by it */
    return true;
}

struct json *refused_manifest(const struct job *j)
{
    struct json *out = json_new_object();
    json_each(j->refused, copy_member, out);
    return out;
}

void refused_forget(struct job *j)
{
    struct error e = {0};
    if (j->refused && !rejected_remove(j->store, j->version.name, &e))
        log_warning("published, but its copy among the refused ones stays: %s", e.message);
}
