#include "pipeline/publish_model.h"

#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"
#include "dataset/parts.h"
#include "pipeline/checkpoints.h"
#include "pipeline/refused.h"
#include "store/rejected.h"

static void add_artifact(struct artifact *all, size_t *n, const char *name, const char *path, const char *type)
{
    if (*n == MAX_ARTIFACTS)
        BUG("too many artifacts");
    all[(*n)++] = (struct artifact){.name = name, .path = path, .content_type = type};
}

static bool collect(struct job *j, const struct trained *t, bool with_weights, struct artifact *all, size_t *n, struct error *e)
{
    struct arena *a = j->arena;
    const char *sums = fs_join(a, j->work_dir, "dataset.sha256"), *split = fs_join(a, j->work_dir, "split.sha256");
    const char *html = fs_join(a, j->config->report_dir, "report.html");
    const char *csv = fs_join(a, j->config->report_dir, "metrics.csv");
    if (!fs_write_atomic(sums, (struct str){j->manifest.text, j->manifest.n}, e) ||
        !fs_write_atomic(split, parts_write(&j->dataset, &j->manifest, j->weights.split, a), e) ||
        !stage_export(j, t, j->work_dir, with_weights, all, n, e))
        return false;
    add_artifact(all, n, "dataset.sha256", sums, "text/plain; charset=utf-8");
    add_artifact(all, n, "split.sha256", split, "text/plain; charset=utf-8");
    if (fs_exists(html))
        add_artifact(all, n, "report.html", html, "text/html; charset=utf-8");
    if (fs_exists(csv))
        add_artifact(all, n, "metrics.csv", csv, "text/csv; charset=utf-8");
    return true;
}

/* The report travels with the model, so it is written before: with the words of a run that went well. */
bool model_collect(struct job *j, const struct trained *t, const struct json *manifest, struct artifact *all, size_t *n,
                   struct error *e)
{
    job_conclude(j, "published",
                 arena_printf(j->arena, "published %s with mAP50 %.4f; fetch it with `retrain pull`", j->version.name,
                              t->best.map50));
    report_write(j, t, manifest);
    return collect(j, t, false, all, n, e);
}

bool model_collect_refused(struct job *j, const struct trained *t, struct artifact *all, size_t *n, struct error *e)
{
    return collect(j, t, true, all, n, e);
}

static bool first_checksum(const struct artifact *model, char hex[SHA256_HEX], struct error *e)
{
    uint8_t sum[SHA256_BYTES];
    uint64_t size;
    if (!sha256_file(model->path, sum, &size, e))
        return false;
    hex_encode(sum, sizeof sum, hex);
    return true;
}

/* --force on a published version cannot replace it, but it can tell whether training gave the same bytes again. */
static const char *compare_with_published(const struct job *j, const char *ours, const struct json *manifest)
{
    const struct json *files = json_get(manifest, "artifacts");
    bool is_same = false;
    for (size_t i = 0; i < json_len(files); i++)
        is_same |= !strcmp(json_string(json_get(json_at(files, i), "sha256"), ""), ours);
    return arena_printf(j->arena, "trained %s again: the model is %s the published one, which stays", j->version.name,
                        is_same ? "byte for byte" : "not the same as");
}

bool publish_model(struct job *j, const struct trained *t, struct json *manifest, struct error *e)
{
    struct artifact artifacts[MAX_ARTIFACTS] = {0};
    size_t n = 0;
    bool already = false;
    int n_removed = 0;
    struct error cleaning = {0};
    bool was_there = j->published != NULL; /* --force */
    char ours[SHA256_HEX] = "";
    bool ok = model_collect(j, t, manifest, artifacts, &n, e) && first_checksum(&artifacts[0], ours, e);
    if (ok && stop_requested())
        ok = fail(e, ERR_STOPPED, "stopped before publishing; run the job again and it goes on from the checkpoint");
    ok = ok && publish_version(j->store, j->version.name, artifacts, n, &manifest, &already, clock_now(), e);
    if (ok) {
        json_free(j->published);
        j->published = manifest;
        outputs_from_manifest(&j->outputs, manifest, j->store, j->arena);
        if (already && was_there)
            job_conclude(j, "published", compare_with_published(j, ours, manifest));
        else if (already)
            job_conclude(
                j, "skipped",
                arena_printf(j->arena, "skipped: another run published %s first; its model stays", j->version.name));
        if (!checkpoints_clear(j->store, j->version.name, &cleaning) ||
            !publish_prune(j->store, j->config->keep_versions, clock_now(), &n_removed, &cleaning) ||
            !rejected_prune(j->store, clock_now(), &cleaning))
            log_warning("the model is published, but tidying up failed: %s", cleaning.message);
        if (n_removed)
            log_info("removed %d older version%s (keep-versions %d)", n_removed, n_removed == 1 ? "" : "s",
                     j->config->keep_versions);
        refused_forget(j);
        report_write(j, t, manifest); /* again: now the files and their checksums are known */
    } else {
        json_free(manifest);
    }
    return ok;
}
