/* A training that did not end goes on in a later job, on any machine: from the newest checkpoint that is sound, here or in
 * the store. */
#include "pipeline/resume.h"

#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "pipeline/claim.h"
#include "pipeline/heartbeat.h"
#include "pipeline/keeper.h"

/* How far the checkpoint on this machine is. Trouble with it is training's to tell, which tries it. */
static bool peek_local(const struct job *j, struct train_position *at)
{
    struct error ignored = {0};
    bool found = false;
    return (train_peek(j->checkpoint_path, j->version.name, at, &found, &ignored) && found) ||
           (train_peek(train_previous(j->checkpoint_path, j->arena), j->version.name, at, &found, &ignored) && found);
}

/* *found = false: it cannot be used, and the log says why. */
static bool fetch(struct job *j, const struct checkpoint_entry *x, bool *found, struct error *e)
{
    const char *path = fs_join(j->arena, j->work_dir, "fetched.bin");
    struct error why = {0};
    struct train_position at;
    *found = false;
    bool ok = checkpoints_fetch(j->store, j->version.name, x, path, &why);
    if (!ok && why.code == ERR_STOPPED) {
        *e = why;
        return false;
    }
    ok = ok && train_peek(path, j->version.name, &at, found, &why);
    if (!ok || !*found) {
        *found = false;
        log_warning("the checkpoint %s of %s cannot be used: %s", x->file, j->version.name, why.message);
        return fs_remove(path, e);
    }
    return fs_name_over(path, j->checkpoint_path, e);
}

bool resume_fetch(struct job *j, struct checkpoint_list *stored, bool *found, struct error *e)
{
    struct train_position here = {0};
    bool is_here = peek_local(j, &here);
    *found = is_here;
    if (!checkpoints_find(j->store, j->version.name, stored, e))
        return false;
    const struct checkpoint_entry *const all[] = {&stored->newest, &stored->previous};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool is_fetched = false;
        if (!*all[i]->file || (is_here && all[i]->at.batches <= here.batches))
            continue;
        if (!fetch(j, all[i], &is_fetched, e))
            return false;
        if (is_fetched) {
            here = all[i]->at;
            *found = true;
            break;
        }
        if (i == 0 && *stored->previous.file)
            log_warning("trying the one before it");
    }
    j->n_jobs = *found ? here.jobs + 1 : 1;
    j->steps = j->steps_before = *found ? here.batches + here.epoch : 0;
    return true;
}

static bool offer(void *ctx, const struct train_position *at, struct error *e)
{
    struct job *j = ctx;
    (void)e;
    j->steps = at->batches + at->epoch;
    keeper_offer(j->keeper, at);
    return true;
}

static bool tick(void *ctx, struct error *e)
{
    struct job *j = ctx;
    budget_saw(&j->budget.upload_seconds, keeper_upload_seconds(j->keeper));
    return !heartbeat_has_lost(j->heartbeat) ||
           fail(e, ERR_STORE,
                "another job took over the training of %s: was this one suspended, or cut off from the store, for minutes? Its "
                "checkpoint stays on this machine",
                j->version.name);
}

struct train_hooks resume_hooks(struct job *j)
{
    return j->keeper ? (struct train_hooks){.ctx = j, .saved = offer, .tick = tick} : (struct train_hooks){0};
}

bool resume_keep(struct job *j, const struct checkpoint_list *stored, struct error *e)
{
    struct keeper_options o = {
        .version = j->version.name, .checkpoint_path = j->checkpoint_path, .stored = *stored};
    struct store *own = NULL;
    if (!job_connect_to(j, j->config->store, false, &own, e))
        return false;
    j->heartbeat = heartbeat_open(own, &j->lease);
    j->lease.holder[0] = 0;
    if (!job_connect_to(j, j->config->store, false, &o.store, e))
        return false;
    j->keeper = keeper_open(&o);
    return true;
}

bool resume_settle(struct job *j, struct error *e)
{
    return !j->keeper || keeper_settle(j->keeper, e);
}

void resume_end(struct job *j)
{
    keeper_close(j->keeper);
    heartbeat_close(j->heartbeat);
    j->keeper = NULL;
    j->heartbeat = NULL;
    claim_release(j);
}
