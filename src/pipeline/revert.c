#include "pipeline/revert.h"

#include <string.h>

#include "pipeline/publish_model.h"

static const char *version_of(const struct json *manifest)
{
    return json_string(json_get(manifest, "version"), "");
}

/* The newest published version of this dataset and recipe, whatever weights it began with. */
static bool find_any_start(struct job *j, const char **version, struct error *e)
{
    struct json *all = NULL;
    struct version v;
    *version = "";
    if (!publish_list(j->store, &all, e))
        return false;
    for (size_t i = 0; i < json_len(all) && !**version; i++) {
        const struct json *m = json_at(all, i);
        version_make(j->config, j->manifest.checksum, json_string(json_get(json_get(m, "recipe"), "initial-weights"), "none"), &v);
        if (!strcmp(v.name, version_of(m)))
            *version = arena_strdup(j->arena, v.name);
    }
    json_free(all);
    return true;
}

static bool find_published(struct job *j, const char **version, struct error *e)
{
    enum version_state state;
    struct json *manifest = NULL;
    char missing[256];
    if (!strcmp(j->config->initial_weights, "latest"))
        return find_any_start(j, version, e);
    if (!publish_find(j->store, j->version.name, &state, &manifest, missing, e))
        return false;
    *version = state == VERSION_PUBLISHED ? j->version.name : "";
    json_free(manifest);
    return true;
}

/* Why nothing is to be done; NULL = go. */
static const char *judge(const struct job *j, const struct json *moves, const char *version, const char *latest)
{
    struct arena *a = j->arena;
    if (j->host->is_pull_request)
        return "a pull request is no state of the branch yet";
    if (!*latest)
        return "latest.json names nothing";
    if (!*version)
        return "no model of this dataset and recipe is published";
    if (!strcmp(version, latest))
        return arena_printf(a, "latest.json names %s already, the model of this dataset", version);
    const struct json *bad = history_rolled_back(moves, version);
    if (bad)
        return arena_printf(a, "the model of this dataset, %s, was rolled back from on %s; `retrain rollback %s` takes it all the same",
                            version, json_string(json_get(bad, "time"), "?"), version);
    if (json_len(moves) && !history_was_latest(moves, version))
        return arena_printf(a, "%s, the model of this dataset, has never been the latest", version);
    return NULL;
}

bool revert_point(struct job *j, const char *version, enum history_why why, struct error *e)
{
    enum version_state state;
    struct json *manifest = NULL;
    char missing[256] = "";
    const char *before = arena_strdup(j->arena, version_of(j->latest));
    bool is_back = why == HISTORY_REVERT, removes = j->config->delete_version && *before;

    if (!publish_point(j->store, version, why, e) || (removes && !publish_delete(j->store, before, e)) ||
        !publish_find(j->store, version, &state, &manifest, missing, e))
        return false;
    json_free(j->published);
    j->published = manifest;
    j->outputs.version = arena_strdup(j->arena, version);
    j->outputs.dataset_checksum = arena_strdup(j->arena, json_string(json_get(json_get(manifest, "dataset"), "checksum"), ""));
    outputs_from_manifest(&j->outputs, manifest, j->store, j->arena);
    job_conclude(j, "published",
                 *before ? arena_printf(j->arena, "%s %s to %s; applications get it with their next pull%s",
                                        is_back ? "the dataset is back at an earlier state: went back from" : "rolled back from", before,
                                        version, removes ? ", and the bad version is removed" : "")
                         : arena_printf(j->arena, "latest.json names %s now; applications get it with their next pull", version));
    report_summary(j, manifest);
    return true;
}

bool revert_find(struct job *j, const char **version, const char **why_not, struct error *e)
{
    struct json *moves = NULL;
    const char *latest = arena_strdup(j->arena, version_of(j->latest));
    if (!find_published(j, version, e) || !history_read(j->store, &moves, e))
        return false;
    *why_not = judge(j, moves, *version, latest);
    json_free(moves);
    return true;
}

bool revert_try(struct job *j, const char **why_not, struct error *e)
{
    const char *version;
    return revert_find(j, &version, why_not, e) && (*why_not || revert_point(j, version, HISTORY_REVERT, e));
}
