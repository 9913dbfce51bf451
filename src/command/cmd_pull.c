/* Fetches a published model for an application: one request when nothing changed; else every file verified by its
 * checksum, and put in place when all have arrived. docs/pull.md is the promise. */
#include <string.h>

#include "command/commands.h"
#include "command/pull_copy.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"

/* Names come from the store: a manifest that says "../../bin/x" must not write there. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && strcmp(name, "manifest.json");
}

static bool fetch(struct job *j, struct pull_copy *copy, const struct json *artifact, struct error *e)
{
    const char *name = json_string(json_get(artifact, "name"), ""), *key = json_string(json_get(artifact, "key"), "");
    const char *path;
    uint8_t sum[SHA256_BYTES];
    bool is_there;

    if (!is_plain_name(name) || !*key || !hex_decode(str_of(json_string(json_get(artifact, "sha256"), "")), sum, sizeof sum))
        return fail(e, ERR_STORE, "pull: the manifest's artifact \"%.80s\" has no usable name, key or checksum", name);
    if (!pull_copy_prepare(copy, artifact, &path, &is_there, e))
        return fail_in(e, "pull");
    if (is_there)
        return true;
    log_info("fetching %s (%.1f MB)", name, json_number(json_get(artifact, "size"), 0) / 1e6);
    return store_get_file(j->store, key, path, sum, e) || fail_in(e, "pull: %s", name);
}

static bool fetch_missing(struct job *j, struct pull_copy *copy, const struct json *manifest, bool *is_current, struct error *e)
{
    const struct json *artifact;
    size_t i = 0;

    *is_current = true;
    for (; (artifact = pull_copy_artifact(copy, manifest, i)); i++) {
        if (pull_copy_has(copy, artifact))
            continue;
        *is_current = false;
        if (!fetch(j, copy, artifact, e))
            return false;
    }
    return i || fail(e, ERR_STORE, "pull: version %s has no %s: it was published in other formats",
                     json_string(json_get(manifest, "version"), "?"), copy->only ? copy->only : "files");
}

static const char *manifest_key(const struct job *j)
{
    const char *version = j->config->wanted_version;
    return *version ? arena_printf(j->arena, "versions/%s/manifest.json", version) : "latest.json";
}

/* The manifest to go by, in j->published. `known`: the etag of the copy's own. */
static bool read_manifest(struct job *j, const struct pull_copy *copy, const char *known, char etag[128], struct error *e)
{
    const char *version = j->config->wanted_version;
    enum store_found found;

    json_free(j->published);
    j->published = NULL;
    if (!publish_read(j->store, version, known, &found, &j->published, etag, e))
        return fail_in(e, "pull");
    if (found == STORE_UNCHANGED)
        j->published = json_copy(pull_copy_manifest(copy));
    if (found != STORE_ABSENT)
        return true;
    if (*version)
        return fail(e, ERR_STORE, "pull: version %s is not in %s; `retrain list` shows what is", version, store_url(j->store));
    return fail(e, ERR_STORE, "pull: nothing is published in %s yet: there is no %s", store_url(j->store),
                store_object_url(j->store, "latest.json", j->arena));
}

static bool is_same_version(const struct json *a, const struct json *b)
{
    return !strcmp(json_string(json_get(a, "version"), ""), json_string(json_get(b, "version"), ""));
}

/* A version may be pruned while we fetch it; then there is a newer one, and that is what was asked for. */
static bool fetch_latest_again(struct job *j, struct pull_copy *copy, char etag[128], bool *is_current, struct error *e)
{
    struct error first = *e;
    struct json *tried = json_copy(j->published);
    bool ok = !*j->config->wanted_version && read_manifest(j, copy, "", etag, e) && !is_same_version(tried, j->published);

    json_free(tried);
    if (!ok) {
        *e = first;
        return false;
    }
    log_info("%s", first.message);
    log_info("latest.json has moved on meanwhile: fetching that version");
    return fetch_missing(j, copy, j->published, is_current, e);
}

static bool pull(struct job *j, struct pull_copy *copy, struct error *e)
{
    const char *key = manifest_key(j), *known = pull_copy_manifest(copy) ? pull_copy_etag(copy, key) : "";
    char etag[128];
    bool is_current;

    if (!read_manifest(j, copy, known, etag, e))
        return false;
    if (!fetch_missing(j, copy, j->published, &is_current, e) &&
        (e->code != ERR_STORE || !fetch_latest_again(j, copy, etag, &is_current, e)))
        return false;
    error_clear(e);

    struct error trouble = {0};
    const char *version = json_string(json_get(j->published, "version"), "?");
    if (!pull_copy_replace(copy, j->published, key, etag, &trouble)) {
        if (!is_current) {
            *e = trouble;
            return fail_in(e, "pull");
        }
        log_warning("pull: what is known about the files cannot be recorded: %s", trouble.message);
    }
    j->outputs.status = is_current ? "current" : "pulled";
    j->headline = is_current ? arena_printf(j->arena, "pull: %s is current (%s); nothing was fetched", j->config->output, version)
                             : arena_printf(j->arena, "pull: version %s is in %s, checksums verified", version, j->config->output);
    return true;
}

/* The network is away, and there is a model to go on with. */
static void keep(struct job *j, const struct pull_copy *copy, const struct error *why)
{
    json_free(j->published);
    j->published = json_copy(pull_copy_manifest(copy));
    j->outputs.status = "kept";
    log_warning("%s", why->message);
    j->headline = arena_printf(j->arena, "pull: the store cannot be reached; %s stays at version %s", j->config->output,
                               json_string(json_get(j->published, "version"), "?"));
}

static bool has_fallback(const struct job *j, const struct pull_copy *copy)
{
    const char *wanted = j->config->wanted_version;
    const struct json *manifest = pull_copy_manifest(copy);
    bool is_wanted = !*wanted || !strcmp(wanted, json_string(json_get(manifest, "version"), ""));
    return j->config->offline_ok && is_wanted && pull_copy_has_all(copy, manifest);
}

bool cmd_pull(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct pull_copy copy;

    if (!*c->output)
        return fail(e, ERR_CONFIG, "pull: needs --output, a folder for all of the model's files or one file such as model.onnx");
    /* The same bucket name may be another bucket on another server. */
    const char *store = *c->endpoint_url ? arena_printf(j->arena, "%s at %s", c->store, c->endpoint_url) : c->store;
    if (!pull_copy_open(&copy, config_path(c, j->arena, c->output), store, j->arena, e))
        return false;
    bool can_keep = has_fallback(j, &copy);
    bool ok = job_connect(j, can_keep, e) && pull(j, &copy, e);
    if (!ok && can_keep && e->code == ERR_NET) {
        keep(j, &copy, e);
        ok = true;
    }
    if (ok) {
        j->outputs.version = arena_strdup(j->arena, json_string(json_get(j->published, "version"), "?"));
        outputs_from_manifest(&j->outputs, j->published, j->store, j->arena);
    }
    pull_copy_close(&copy);
    return ok;
}
