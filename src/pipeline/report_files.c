#include "core/fs.h"
#include "core/log.h"
#include "pipeline/publish_model.h"

#define LIMIT_REPORT_BYTES (8u << 20)

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
        j->outputs.report = "retrain-report/report.html";
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

static struct report describe(const struct job *j, const struct json *manifest)
{
    return (struct report){
        .status = j->outputs.status,
        .headline = j->headline ? j->headline : "",
        .version = j->outputs.version ? j->outputs.version : "",
        .store_url = j->store ? store_url(j->store) : j->config->store,
        .model_url = j->outputs.model_url ? j->outputs.model_url : "",
        .next_url = j->next_url,
        .manifest = manifest,
        .previous = j->latest,
        .is_same_photos = j->is_compared,
        .notes = j->notes,
        .n_dataset_warnings = j->dataset.n_warnings,
    };
}

static void write_markdown(struct job *j, const struct report *r, bool to_file)
{
    struct str_buf markdown = STR_BUF(LIMIT_REPORT_BYTES);
    report_markdown(r, &markdown);
    if (to_file)
        write_file(j, "summary.md", str_buf_view(&markdown));
    j->summary = str_of(arena_strdup(j->arena, str_buf_text(&markdown)));
    str_buf_free(&markdown);
}

void report_summary(struct job *j, const struct json *manifest)
{
    struct report r = describe(j, manifest);
    write_markdown(j, &r, false);
}

void report_write(struct job *j, const struct trained *t, const struct json *manifest)
{
    struct report r = describe(j, manifest);
    struct error e = {0};
    if (t) {
        r.epochs = t->rows;
        r.n_epochs = t->n_rows;
        r.best_epoch = t->best_epoch;
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
    write_markdown(j, &r, true);
}
