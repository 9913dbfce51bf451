/* What `run` would do and why. Writes nothing: not to the store, not to the workspace. */
#include <stdio.h>

#include "command/commands.h"
#include "command/plan_kernels.h"
#include "command/show.h"
#include "core/log.h"
#include "pipeline/revert.h"
#include "store/rejected.h"

static const char *epochs_text(const struct config *c, struct arena *a)
{
    return c->epochs ? arena_printf(a, "%d epoch%s", c->epochs, c->epochs == 1 ? "" : "s") : "as many epochs as time-budget allows,";
}

/* What a run with a store finds there besides the version. *target: where latest.json would go back to; NULL = nowhere. */
static bool look_further(struct job *j, bool *is_refused, const char **target, struct error *e)
{
    const struct config *c = j->config;
    struct json *refused = NULL;
    const char *version, *why_not = "";
    if (c->smoke || c->force || job_is_untrusted(j))
        return true;
    if (!rejected_find(j->store, j->version.name, &refused, e) || (c->on_revert && !revert_find(j, &version, &why_not, e)))
        return false;
    *is_refused = refused != NULL;
    if (!why_not)
        *target = version;
    json_free(refused);
    return true;
}

bool cmd_plan(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    bool is_published = false, is_refused = false;
    const char *target = NULL;
    char why[320] = "a smoke run publishes to a throw-away folder only";
    if (!job_version(j, e))
        return false;
    struct error unknown = {0};
    if (job_is_untrusted(j)) {
        bool is_known = job_find(j, &is_published, why, &unknown);
        j->headline = is_known && is_published
                          ? arena_printf(j->arena, "run would skip: %s", why)
                          : "run would only check the dataset: a pull request from a fork gets no credentials";
    } else if (!c->smoke && (!job_find(j, &is_published, why, e) || !look_further(j, &is_refused, &target, e))) {
        return false;
    } else if (target) {
        j->headline = arena_printf(j->arena, "run would point latest.json at %s, the model of this earlier state of the dataset", target);
    } else if (is_published && !c->force) {
        j->headline = arena_printf(j->arena, "run would skip: %s", why);
    } else {
        if (!job_scan(j, e))
            return false;
        job_log_defects(j, 20);
        if (!job_accept_dataset(j, e) || !job_check_memory(j, e) ||
            (c->plan_kernels && !plan_kernels_print(j, e)))
            return false;
        j->headline = is_refused ? arena_printf(j->arena, "run would ask the quality gate again: %s, but was trained and refused", why)
                                 : arena_printf(j->arena, "run would train: %s%s; %s on %d images at %d px, %d thread%s", why,
                                                is_published ? ", but force is set" : "", epochs_text(c, j->arena),
                                                j->dataset.n_train, c->image_size, c->threads, c->threads == 1 ? "" : "s");
    }
    j->outputs.status = "planned";
    show_text(j->headline);
    putchar('\n');
    return true;
}
