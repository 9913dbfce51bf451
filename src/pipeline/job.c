#include "pipeline/job.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/resume.h"

bool job_connect_to(struct job *j, const char *url, bool is_hasty, struct store **out, struct error *e)
{
    const struct config *c = j->config;
    struct store_options o = {
        .url = url,
        .workspace = c->workspace,
        .endpoint_url = c->endpoint_url,
        .region = c->region,
        .addressing_style = c->addressing_style,
        .role_to_assume = c->role_to_assume,
        .role_seconds = (int)c->role_duration,
        .audience = c->audience,
        .is_anonymous = job_is_untrusted(j),
        .getenv = j->host->getenv,
        .is_hasty = is_hasty,
    };
    if (!store_open(&o, out, e))
        return false;
    const struct host *h = j->host;
    store_sign(*out, arena_printf(j->arena, "%s%s%s%s%.12s", h->name, *h->run_url ? " " : "", h->run_url,
                                  *h->commit ? " commit " : "", h->commit));
    return true;
}

bool job_connect(struct job *j, bool is_hasty, struct error *e)
{
    return job_connect_to(j, j->config->store, is_hasty, &j->store, e);
}

bool job_open_store(struct job *j, struct error *e)
{
    enum store_found found;
    if (!job_connect(j, false, e))
        return false;
    if (publish_latest(j->store, &found, &j->latest, e))
        return true;
    if (found == STORE_ABSENT)
        return false;              /* it could not be read: denied, unreachable */
    log_warning("%s", e->message); /* there, but damaged: publishing and `rollback VERSION` write a new one */
    error_clear(e);
    return true;
}

bool job_latest(struct job *j, const char **version, struct error *e)
{
    enum store_found found;
    struct json *latest = NULL;
    if (strcmp(json_string(json_get(j->latest, "version"), ""), j->version.name)) {
        if (!publish_latest(j->store, &found, &latest, e)) {
            if (found == STORE_ABSENT)
                return false;
            error_clear(e); /* damaged: job_open_store said so */
        }
        json_free(j->latest);
        j->latest = latest;
    }
    *version = arena_strdup(j->arena, json_string(json_get(j->latest, "version"), ""));
    return true;
}

bool job_version(struct job *j, struct error *e)
{
    if (!dataset_manifest(j->config->dataset_path, j->pool, j->arena, &j->manifest, e))
        return fail_in(e, "dataset %s", j->config->dataset);
    if (stop_requested())
        return fail(e, ERR_STOPPED, "stopped by a signal before training began; nothing was written");
    if (!weights_resolve(j, e))
        return false;
    version_make(j->config, j->manifest.checksum, j->weights.sha256, &j->version);
    j->work_dir = fs_join(j->arena, j->config->workspace, arena_printf(j->arena, ".retrain/%s", j->version.name));
    j->checkpoint_path = fs_join(j->arena, j->work_dir, "checkpoint.bin");
    j->outputs.version = j->version.name;
    j->outputs.dataset_checksum = j->manifest.checksum;
    log_info("version %s: %d files in %s, checksum %.12s", j->version.name, j->manifest.n_files, j->config->dataset,
             j->manifest.checksum);
    return true;
}

bool job_find(struct job *j, bool *is_published, char why[320], struct error *e)
{
    enum version_state state;
    char missing[256] = "";
    *is_published = false;
    if (!j->store && !job_open_store(j, e))
        return false;
    if (!publish_find(j->store, j->version.name, &state, &j->published, missing, e))
        return false;
    switch (state) {
    case VERSION_PUBLISHED:
        *is_published = true;
        snprintf(why, 320, "%s is published in %s", j->version.name, store_url(j->store));
        outputs_from_manifest(&j->outputs, j->published, j->store, j->arena);
        break;
    case VERSION_INCOMPLETE:
        snprintf(why, 320, "%s is not complete in the store: %s", j->version.name, missing);
        break;
    case VERSION_ABSENT:
        snprintf(why, 320, "%s is not in %s", j->version.name, store_url(j->store));
        break;
    }
    return true;
}

/* Some defects are the whole dataset's. */
static bool has_file(const struct defect *x)
{
    return x->file && *x->file && strcmp(x->file, ".");
}

void job_log_defects(const struct job *j, int limit)
{
    const struct dataset *d = &j->dataset;
    int n_hidden = 0, n_shown = 0;
    for (int i = 0; i < d->n_defects; i++) {
        const struct defect *x = &d->defects[i];
        if (!x->is_error && n_shown >= limit) {
            n_hidden++;
            continue;
        }
        n_shown += !x->is_error;
        struct arena a = {0};
        const char *file = has_file(x) ? fs_join(&a, j->config->dataset, x->file) : j->config->dataset;
        log_annotate(x->is_error ? LOG_ERROR : LOG_WARNING, file, x->line, "%s", x->what);
        arena_free(&a);
    }
    if (n_hidden)
        log_info("and %d more warnings: `retrain check` lists them all", n_hidden);
}

static enum dataset_format format_of(const char *word)
{
    static const enum dataset_format all[] = {DATASET_YOLO, DATASET_COCO, DATASET_VOC};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!strcmp(word, dataset_format_name(all[i])))
            return all[i];
    }
    return DATASET_AUTO;
}

bool job_scan(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct dataset *d = &j->dataset;
    struct dataset_options o = {
        .folder = c->dataset_path,
        .format = format_of(c->dataset_format),
        .val_fraction = (float)c->val_fraction,
    };
    if (!dataset_scan(&o, j->pool, j->arena, d, e))
        return fail_in(e, "dataset %s", c->dataset);
    log_info("dataset %s: %s format, %d images (%d training, %d validation, %d test, %d without a box), %ld boxes, %d "
             "classes, %s",
             c->dataset, dataset_format_name(d->format), d->n_samples, d->n_train, d->n_val, d->n_test, d->n_background,
             d->n_boxes, d->n_classes,
             d->split_is_named ? "parts as the dataset names them" : "parts by hash of the file name");
    return true;
}

static bool refuse_errors(const struct job *j, struct error *e)
{
    const struct dataset *d = &j->dataset;
    for (int i = 0; i < d->n_defects; i++) {
        const struct defect *x = &d->defects[i];
        if (!x->is_error)
            continue;
        char line[24] = "";
        if (x->line)
            snprintf(line, sizeof line, ":%u", x->line);
        return fail(e, ERR_DATA, "dataset %s: %d error%s, first %s%s: %s", j->config->dataset, d->n_errors,
                    d->n_errors == 1 ? "" : "s", has_file(x) ? x->file : "the dataset itself", line, x->what);
    }
    return true;
}

/* Such a training would run to its end and teach or measure nothing. */
static bool refuse_bare_part(const struct job *j, enum dataset_part part, const char *name, const char *why, struct error *e)
{
    const struct dataset *d = &j->dataset;
    int n = 0;
    for (int i = 0; i < d->n_samples; i++) {
        n += d->samples[i].part == part;
        if (d->samples[i].part == part && d->samples[i].n_labels > 0)
            return true;
    }
    return n == 0 || fail(e, ERR_DATA, "dataset %s: no image of the %s part has a box, so %s: label some or add images",
                          j->config->dataset, name, why);
}

bool job_accept_dataset(struct job *j, struct error *e)
{
    struct dataset *d = &j->dataset;
    if (!refuse_errors(j, e) || !refuse_bare_part(j, PART_TRAIN, "training", "there is nothing to learn", e) ||
        !refuse_bare_part(j, PART_VAL, "validation", "no model can be measured", e))
        return false;
    if (j->config->smoke)
        smoke_subset(d, j->arena);
    if (d->n_train == 0)
        return fail(e, ERR_DATA, "dataset %s: no image is left for training: add images or lower val-fraction",
                    j->config->dataset);
    if (d->n_val == 0)
        return fail(e, ERR_DATA, "dataset %s: no image is held back for validation: add images or raise val-fraction",
                    j->config->dataset);
    return true;
}

bool job_prepare(struct job *j, bool will_publish, struct error *e)
{
    bool atomic = false;
    job_set_clock(j);
    if (!fs_mkdirs(j->work_dir, e))
        return false;
    if (will_publish) {
        j->budget.is_far = strncmp(j->config->store, "file://", 7) != 0;
        if (!store_probe(j->store, &atomic, e))
            return false;
        log_info("store %s: writable, publishing is %s", store_url(j->store), atomic ? "atomic" : "best effort");
    }
    if (!weights_fetch(j, e))
        return false;
    if (j->weights.path)
        log_info("starting from the weights %.12s (%s)", j->weights.sha256, j->config->initial_weights);
    return true;
}

bool job_is_untrusted(const struct job *j)
{
    const char *key = j->host->getenv("AWS_ACCESS_KEY_ID");
    return j->host->is_fork_pull_request && !strncmp(j->config->store, "s3://", 5) && !(key && *key);
}

void job_conclude(struct job *j, const char *status, const char *headline)
{
    j->outputs.status = status;
    j->headline = headline;
    j->next = NULL;
}

static const char *cure_of(enum error_code code)
{
    switch (code) {
    case ERR_CONFIG: return "mend the option and run the job again; `retrain help OPTION` explains each";
    case ERR_DATA: return "mend the dataset; `retrain check` lists every defect with its file and line";
    case ERR_STORE: return "mend what the message names; `retrain check` tries the store in a second";
    case ERR_NET: return "run the job again when the store can be reached; training goes on from its last checkpoint";
    case ERR_DIVERGED: return "look at the images that the log names, or lower learning-rate";
    default: return "run the job again; if it happens once more, report it with this log";
    }
}

void job_conclude_failure(struct job *j, bool has_checkpoint, const struct error *e)
{
    bool is_stopped = e->code == ERR_STOPPED;
    job_conclude(j, is_stopped && has_checkpoint ? "checkpointed" : "failed", arena_strdup(j->arena, e->message));
    j->next = is_stopped ? "run the job again" : cure_of(e->code);
}

void job_free(struct job *j)
{
    resume_end(j);
    json_free(j->latest);
    json_free(j->published);
    json_free(j->refused);
    json_free(j->weights.manifest);
    store_close(j->store);
    pool_close(j->pool);
    j->latest = j->published = j->refused = j->weights.manifest = NULL;
    j->store = NULL;
    j->pool = NULL;
}
