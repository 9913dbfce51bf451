/* What `run` would do and why. Writes nothing: not to the store, not to the workspace. */
#include <stdio.h>

#include "core/log.h"
#include "pipeline/job.h"
#include "pipeline/plan_kernels.h"
#include "pipeline/show.h"

static const char *epochs_text(const struct config *c, struct arena *a)
{
    return c->epochs ? arena_printf(a, "%d epochs", c->epochs) : "as many epochs as time-budget allows,";
}

bool cmd_plan(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    bool is_published = false;
    char why[320] = "a smoke run publishes to a throw-away folder only";
    if (!job_version(j, e))
        return false;
    struct error unknown = {0};
    if (job_is_untrusted(j)) {
        bool is_known = job_find(j, &is_published, why, &unknown);
        j->headline = is_known && is_published
                          ? arena_printf(j->arena, "run would skip: %s", why)
                          : "run would only check the dataset: a pull request from a fork gets no credentials";
    } else if (!c->smoke && !job_find(j, &is_published, why, e)) {
        return false;
    } else if (is_published && !c->force) {
        j->headline = arena_printf(j->arena, "run would skip: %s", why);
    } else {
        if (!job_scan(j, e))
            return false;
        job_log_defects(j, 20);
        if (!job_accept_dataset(j, e) || !job_check_memory(j, e) ||
            (c->plan_kernels && !plan_kernels_print(j, e)))
            return false;
        j->headline = arena_printf(j->arena, "run would train: %s%s; %s on %d images at %d px, %d thread%s", why,
                                   is_published ? ", but force is set" : "", epochs_text(c, j->arena), j->dataset.n_train,
                                   c->image_size, c->threads, c->threads == 1 ? "" : "s");
    }
    j->outputs.status = "planned";
    show_text(j->headline);
    putchar('\n');
    return true;
}
