/* Moves latest.json back: to the named version, else to the newest one published before the latest. */
#include <string.h>

#include "core/log.h"
#include "pipeline/job.h"

/* The list is newest first; the one after the latest is what was latest before it. NULL when there is none. */
static const char *version_before(const struct json *all, const char *latest)
{
    for (size_t i = 0; i + 1 < json_len(all); i++) {
        if (!strcmp(json_string(json_get(json_at(all, i), "version"), ""), latest))
            return json_string(json_get(json_at(all, i + 1), "version"), NULL);
    }
    return NULL;
}

bool cmd_rollback(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct json *all = NULL;
    if (!job_open_store(j, e) || !publish_list(j->store, &all, e))
        return false;
    const char *latest = json_string(json_get(j->latest, "version"), "");
    const char *found = c->n_arguments ? c->arguments[0] : version_before(all, latest);
    const char *target = found ? arena_strdup(j->arena, found) : NULL;
    json_free(all);
    if (!*latest && !target)
        return fail(e, ERR_STORE,
                    "rollback: there is no sound latest.json in %s; name the version that it shall point to",
                    store_url(j->store));
    if (!target)
        return fail(e, ERR_CONFIG, "rollback: no version was published before %s", latest);
    if (!strcmp(target, latest))
        return fail(e, ERR_CONFIG, "rollback: %s is the latest already", target);
    if (!publish_point(j->store, target, HISTORY_ROLLBACK, e))
        return false;
    if (!*latest) {
        j->headline = arena_printf(j->arena, "latest.json names %s now", target);
        return true;
    }
    if (c->delete_version && !publish_delete(j->store, latest, e))
        return false;
    j->headline = arena_printf(j->arena, "rolled back from %s to %s, which applications get with their next pull%s", latest, target,
                               c->delete_version ? "; the bad version is removed" : "");
    return true;
}
