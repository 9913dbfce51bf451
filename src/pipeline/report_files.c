#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "pipeline/publish_model.h"

#define LIMIT_REPORT_BYTES (8u << 20)
#define REPORT_PATH "retrain-report/report.html"

static void write_file(const struct job *j, const char *name, struct str text)
{
    struct error e = {0};
    if (!fs_write_atomic(fs_join(j->arena, j->config->report_dir, name), text, &e))
        log_warning("the report could not be written: %s", e.message);
}

static void write_html(struct job *j, const struct report *r)
{
    struct str_buf html = STR_BUF(LIMIT_REPORT_BYTES);
    struct error e = {0};
    if (report_html(r, &html, &e)) {
        write_file(j, "report.html", str_buf_view(&html));
        j->outputs.report = REPORT_PATH;
    } else {
        log_warning("the report could not be made: %s", e.message);
    }
    str_buf_free(&html);
}

/* Curves of an older run beside this run's report would be taken for its own. */
static void write_csv(struct job *j, const struct trained *t)
{
    struct error e = {0};
    if (!t || !t->n_rows) {
        if (!fs_remove(fs_join(j->arena, j->config->report_dir, "metrics.csv"), &e))
            log_debug("%s", e.message);
        return;
    }
    struct str_buf csv = STR_BUF(LIMIT_REPORT_BYTES);
    report_csv(t->rows, t->n_rows, &csv);
    write_file(j, "metrics.csv", str_buf_view(&csv));
    str_buf_free(&csv);
}

/* A run's headlines are "what happened; what to do next"; of a failure all is said by the message. */
static void split_headline(const struct job *j, struct report *r)
{
    const char *all = j->headline ? j->headline : "", *cut = strstr(all, "; ");
    bool is_run = !strcmp(j->config->command, "run") || !strcmp(j->config->command, "rollback"), is_failed = r->status && !strcmp(r->status, "failed");
    r->headline = all;
    r->next = is_run ? j->next : NULL;
    if (!is_run || is_failed || !cut)
        return;
    r->headline = arena_strndup(j->arena, all, (size_t)(cut - all));
    r->next = cut + 2;
}

static struct report describe(struct job *j, const struct trained *t, const struct json *manifest)
{
    const struct config *c = j->config;
    struct report r = {
        .status = j->outputs.status,
        .passed = j->passed,
        .version = j->outputs.version ? j->outputs.version : "",
        .store_url = j->store ? store_url(j->store) : c->store,
        .model_url = j->outputs.model_url ? j->outputs.model_url : "",
        .next_url = j->next_url,
        .manifest = manifest,
        .previous = j->latest,
        .is_same_photos = j->is_compared,
        .notes = j->notes,
        .n_dataset_warnings = j->dataset.n_warnings,
    };
    split_headline(j, &r);
    if (!t || !t->epochs)
        return r;
    r.epochs = t->rows;
    r.n_epochs = t->n_rows;
    r.best_epoch = t->best_epoch;
    r.epochs_planned = t->epochs;
    r.n_jobs = j->n_jobs;
    r.n_jobs_left = t->is_unfinished ? t->jobs_left : 0;
    r.seconds_budget = j->budget.length;
    r.seconds_used = j->budget.length - (j->budget.end - clock_seconds());
    return r;
}

static void summarize(struct job *j, const struct report *r)
{
    struct str_buf markdown = STR_BUF(LIMIT_REPORT_BYTES);
    report_markdown(r, &markdown);
    j->summary = str_of(arena_strdup(j->arena, str_buf_text(&markdown)));
    str_buf_free(&markdown);
}

void report_summary(struct job *j, const struct json *manifest)
{
    struct report r = describe(j, NULL, manifest);
    summarize(j, &r);
}

void report_write(struct job *j, const struct trained *t, const struct json *manifest)
{
    struct report r = describe(j, t, manifest);
    struct error e = {0};
    summarize(j, &r);
    if (t) {
        if (t->model && !j->photos && !stage_photos(j, t, &j->photos, &j->n_photos, &e))
            log_warning("the report lacks photos: %s", e.message);
        r.photos = j->photos;
        r.n_photos = j->n_photos;
    }
    error_clear(&e);
    if (!fs_mkdirs(j->config->report_dir, &e)) {
        log_warning("there is no report: %s", e.message);
        return;
    }
    write_csv(j, t);
    write_html(j, &r);
    write_file(j, "summary.md", j->summary);
}

/* As it was published; what lies there already may be it. */
static bool fetch(struct job *j, const struct json *manifest, const char *name, struct error *e)
{
    const struct json *file = manifest_artifact(manifest, name);
    const char *path = fs_join(j->arena, j->config->report_dir, name);
    uint8_t sum[SHA256_BYTES], here[SHA256_BYTES];
    uint64_t size;
    struct error absent = {0};
    if (!hex_decode(str_of(json_string(json_get(file, "sha256"), "")), sum, sizeof sum))
        return fail(e, ERR_STORE, "the published version has no %s", name);
    if (sha256_file(path, here, &size, &absent) && !memcmp(here, sum, sizeof sum))
        return true;
    return store_get_file(j->store, json_string(json_get(file, "key"), "-"), path, sum, e);
}

void report_fetch(struct job *j, const struct json *manifest)
{
    struct error e = {0};
    bool ok = fs_mkdirs(j->config->report_dir, &e) && fetch(j, manifest, "report.html", &e) && fetch(j, manifest, "metrics.csv", &e);
    if (!ok) { /* a shorter one, of what the manifest knows */
        log_debug("%s", e.message);
        report_write(j, NULL, manifest);
        return;
    }
    j->outputs.report = REPORT_PATH;
    struct report r = describe(j, NULL, manifest);
    summarize(j, &r);
    write_file(j, "summary.md", j->summary);
}
