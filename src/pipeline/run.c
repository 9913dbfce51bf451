/* The main job, one straight line:
 *
 *   config -> checksum -> version -> in the store? -> scan dataset -> ours to train? -> train (resume) -> evaluate ->
 *   gate -> export -> publish -> report -> outputs
 *
 * The checksum alone decides about skipping, so the dataset is read only when there is something to train. */
#include "pipeline/run.h"

#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/chain.h"
#include "pipeline/claim.h"
#include "pipeline/gate.h"
#include "pipeline/publish_model.h"
#include "pipeline/refused.h"
#include "pipeline/resume.h"
#include "pipeline/revert.h"

static bool skip(struct job *j, const char *why, struct error *e)
{
    const char *latest;
    if (!publish_settle(j->store, j->published, e) || !job_latest(j, &latest, e)) /* who published it may have died before the pointer */
        return false;
    const char *next = !strcmp(latest, j->version.name)
                           ? "nothing to do"
                           : arena_printf(j->arena, "applications get %s; `retrain rollback %s` makes this one the latest",
                                          *latest ? latest : "none", j->version.name);
    job_conclude(j, "skipped", arena_printf(j->arena, "skipped: %s; %s", why, next));
    report_fetch(j, j->published);
    return true;
}

/* A fork's pull request gets neither secrets nor an identity. Nothing can be written, but what is published already may
 * be readable by anybody, and then this run has nothing to do; else its data can at least be checked. */
static bool check_only(struct job *j, struct error *e)
{
    struct error unknown = {0};
    char why[320];
    bool is_published = false;

    log_info("this is a pull request from a fork, which gets no credentials and no identity for %s", j->config->store);
    bool has_version = job_version(j, &unknown), is_known = has_version && job_find(j, &is_published, why, &unknown);
    bool is_outside = unknown.code == ERR_STORE || unknown.code == ERR_NET;
    if (!is_known && !is_outside && (!has_version || unknown.code == ERR_STOPPED)) {
        *e = unknown;
        return false;
    }
    if (is_published) {
        job_conclude(j, "skipped", arena_printf(j->arena, "skipped: %s; nothing to do", why));
        report_fetch(j, j->published);
        return true;
    }
    log_info("only the dataset is checked: %s", is_known ? why : unknown.message);
    if (!job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e))
        return false;
    job_conclude(j, "skipped", "skipped: the dataset is sound; the model is trained once the pull request is merged");
    report_write(j, NULL, NULL);
    return true;
}

/* Two jobs that train the same would end with the same bytes: one is enough. */
static bool leave_to(struct job *j, const char *who)
{
    job_conclude(j, "skipped",
                 arena_printf(j->arena, "skipped: %s is being trained by %s; run this again when that has ended", j->version.name,
                              who));
    report_write(j, NULL, NULL);
    return true;
}

static bool pause_training(struct job *j, const struct trained *t, struct error *e)
{
    struct arena *a = j->arena;
    bool is_stopped = stop_requested();
    const char *more = t->jobs_left > 1 ? arena_printf(a, " (about %d more jobs)", t->jobs_left) : "";
    struct error unsaved = {0};
    bool is_stored = resume_settle(j, &unsaved);
    resume_end(j); /* before anything starts the next job */
    if (!is_stored) {
        if (!is_stopped)
            return fail(e, unsaved.code, "training is checkpointed on this machine only: %s", unsaved.message);
        log_warning("%s: the next job goes on from the checkpoint before it", unsaved.message);
    }
    const char *next = chain_next(j);
    job_conclude(j, "checkpointed", arena_printf(a, "checkpointed after %d of %d epochs%s; %s", t->n_rows, t->epochs, more, next));
    report_write(j, t, NULL);
    return !is_stopped || fail(e, ERR_STOPPED, "%s", j->headline);
}

static bool train(struct job *j, struct trained *t, struct error *e)
{
    struct checkpoint_list stored;
    bool is_resumed = false;
    if (!resume_fetch(j, &stored, &is_resumed, e) || !resume_keep(j, &stored, e))
        return false;
    if (is_resumed)
        log_info("going on from the checkpoint of an earlier run (this is job %d)", j->n_jobs);
    return stage_train(j, t, e);
}

static bool finish(struct job *j, struct trained *t, struct error *e)
{
    struct error unsaved = {0};
    if (!resume_settle(j, &unsaved)) /* removing checkpoints and uploading one must not meet */
        log_warning("%s", unsaved.message);
    if (!j->refused && !stage_evaluate(j, t, e))
        return false;
    log_info("measured on %d held-back images: mAP50 %.4f, mAP50-95 %.4f (epoch %d of %d)", j->dataset.n_val,
             t->best.map50, t->best.map50_95, t->best_epoch, t->n_rows);
    j->outputs.map50 = arena_printf(j->arena, "%.4f", t->best.map50);
    j->outputs.map50_95 = arena_printf(j->arena, "%.4f", t->best.map50_95);

    struct json *manifest = j->refused ? refused_manifest(j) : manifest_build(j, t);
    if (gate_model(j, t, manifest, e))
        return publish_model(j, t, manifest, e);
    if (e->code != ERR_STOPPED)
        refused_keep(j, t, manifest, e);
    json_free(manifest);
    return false;
}

/* Published already, or reverted to what was: then there is nothing to train. */
static bool settle(struct job *j, bool *is_settled, struct error *e)
{
    const struct config *c = j->config;
    bool is_published = false;
    const char *why_not;
    char why[320];
    *is_settled = true;
    if (!job_find(j, &is_published, why, e))
        return false;
    if (c->on_revert && !c->force) {
        if (!revert_try(j, &why_not, e))
            return false;
        if (!why_not)
            return true;
        log_info("no revert: %s", why_not);
    }
    if (is_published && !c->force)
        return skip(j, why, e);
    log_info("training: %s%s", why, is_published ? ", but force is set" : "");
    *is_settled = false;
    return true;
}

/* Everything that must hold before hours are spent. */
static bool prepare(struct job *j, struct error *e)
{
    if (!job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e) || !job_check_memory(j, e) || !job_prepare(j, true, e))
        return false;
    chain_warn(j);
    return true;
}

/* *is_ours = false: another job trains this version, or has published it while we waited for its lease. */
static bool claim(struct job *j, bool *is_ours, struct error *e)
{
    bool is_published = j->published != NULL; /* --force */
    char who[CLAIM_WHO], why[320];
    if (!claim_take(j, is_ours, who, e))
        return false;
    if (!*is_ours)
        return leave_to(j, who);
    if (is_published)
        return true;
    if (!job_find(j, &is_published, why, e))
        return false;
    *is_ours = !is_published;
    return *is_ours || skip(j, why, e);
}

/* After a failure the folder stays: it may hold the only copy of hours of work, and the next run goes on. */
static void tidy(const struct job *j)
{
    struct error e = {0};
    if (!fs_remove_tree(fs_join(j->arena, j->config->workspace, ".retrain"), &e))
        log_debug("%s", e.message);
}

bool pipeline_run(struct job *j, struct error *e)
{
    bool is_settled = false, is_ours = false;
    if (job_is_untrusted(j))
        return check_only(j, e);
    if (j->config->smoke)
        return smoke_run(j, e);
    if (!job_version(j, e) || !settle(j, &is_settled, e))
        return false;
    if (is_settled)
        return true;
    if (!prepare(j, e) || !claim(j, &is_ours, e))
        return false;
    if (!is_ours)
        return true;

    struct trained t = {0};
    bool ok = refused_find(j, &t, e) && (j->refused || train(j, &t, e));
    if (ok)
        ok = t.is_unfinished ? pause_training(j, &t, e) : finish(j, &t, e);
    if (!ok && e->code != ERR_GATE && !j->is_refused_kept) {
        job_conclude_failure(j, true, e);
        report_write(j, &t, NULL);
    }
    bool is_over = (ok && !t.is_unfinished) || (!ok && j->is_refused_kept);
    stage_free(&t);
    resume_end(j);
    if (is_over)
        tidy(j);
    return ok;
}
