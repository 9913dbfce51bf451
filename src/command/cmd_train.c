/* Trains to a folder; no store is asked. */
#include <string.h>

#include "command/commands.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/claim.h"
#include "pipeline/publish_model.h"

static bool write_model(struct job *j, struct trained *t, const char *dir, struct error *e)
{
    struct artifact artifacts[MAX_ARTIFACTS] = {0};
    size_t n = 0;
    struct str_buf text = STR_BUF(4u << 20);
    if (!stage_evaluate(j, t, e) || !stage_export(j, t, dir, false, artifacts, &n, e))
        return false;
    struct json *manifest = manifest_build(j, t);
    json_write(manifest, true, &text);
    bool ok = fs_write_atomic(fs_join(j->arena, dir, "manifest.json"), str_buf_view(&text), e);
    if (ok) {
        j->outputs.status = "planned"; /* nothing was published */
        j->headline = arena_printf(j->arena, "trained %s to %s: mAP50 %.4f, mAP50-95 %.4f", j->version.name,
                                   j->config->output, t->best.map50, t->best.map50_95);
        report_write(j, t, manifest);
    }
    str_buf_free(&text);
    json_free(manifest);
    return ok;
}

bool cmd_train(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    if (!*c->output)
        return fail(e, ERR_CONFIG, "train: needs --output DIR, the folder for the model's files");
    const char *dir = config_path(c, j->arena, c->output);
    if (!job_version(j, e) || !job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e) || !job_check_memory(j, e) || !fs_mkdirs(dir, e))
        return false;
    struct trained t = {0};
    bool ok = job_prepare(j, false, e) && claim_folder(j, e) && stage_train(j, &t, e);
    if (ok && t.is_unfinished) {
        j->headline = arena_printf(j->arena, "checkpointed after %d of %d epochs: the same command goes on from there",
                                   t.n_rows, t.epochs);
        ok = !stop_requested() || fail(e, ERR_STOPPED, "%s", j->headline);
    } else if (ok) {
        struct error cleaning = {0};
        ok = write_model(j, &t, dir, e);
        if (ok && !fs_remove_tree(j->work_dir, &cleaning))
            log_debug("%s", cleaning.message);
    }
    stage_free(&t);
    return ok;
}
