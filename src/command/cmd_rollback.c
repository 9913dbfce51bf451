/* Moves latest.json: to the named version, else to what it named before and is good; with --on-revert to the version of
 * today's dataset, where that is an earlier one. */
#include <string.h>

#include "command/commands.h"
#include "core/log.h"
#include "pipeline/publish_model.h"
#include "pipeline/revert.h"

static bool find_previous(struct job *j, const char *latest, const char **target, struct error *e)
{
    struct json *all = NULL, *moves = NULL;
    struct error unread = {0};
    if (!publish_list(j->store, &all, e))
        return false;
    if (!history_read(j->store, &moves, &unread)) /* a rollback is for bad days */
        log_warning("going by the time of publication: %s", unread.message);
    const char *found = history_previous(moves, all, latest);
    *target = found ? arena_strdup(j->arena, found) : NULL;
    json_free(moves);
    json_free(all);
    return *target || fail(e, ERR_CONFIG, "rollback: no good version was published before %s; `retrain list` shows what is there", latest);
}

static bool on_revert(struct job *j, struct error *e)
{
    const char *why;
    if (j->config->n_arguments)
        return fail(e, ERR_CONFIG, "rollback: --on-revert finds the version itself; '%s' is one too many", j->config->arguments[0]);
    if (!job_open_store(j, e) || !job_version(j, e) || !revert_try(j, &why, e))
        return false;
    if (why) {
        job_conclude(j, "skipped", arena_printf(j->arena, "skipped: no revert: %s", why));
        report_summary(j, NULL);
    }
    return true;
}

bool cmd_rollback(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    const char *target = c->n_arguments ? c->arguments[0] : NULL;
    if (c->on_revert)
        return on_revert(j, e);
    if (!job_open_store(j, e))
        return false;
    const char *latest = arena_strdup(j->arena, json_string(json_get(j->latest, "version"), ""));
    if (!*latest && !target)
        return fail(e, ERR_STORE,
                    "rollback: there is no sound latest.json in %s; name the version that it shall point to",
                    store_url(j->store));
    if (!target && !find_previous(j, latest, &target, e))
        return false;
    if (!strcmp(target, latest))
        return fail(e, ERR_CONFIG, "rollback: %s is the latest already", target);
    return revert_point(j, target, HISTORY_ROLLBACK, e);
}
