/* `initial-weights`: none, latest, a version of the store, a file of the workspace, or an s3:// URL. What enters the
 * version is the SHA-256 of the file's content, known from a manifest without fetching anything where there is one. */
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "pipeline/job.h"

/* Takes checksum and key of the weights from a published version's manifest. */
static bool from_manifest(struct job *j, const struct json *manifest, struct error *e)
{
    const char *version = json_string(json_get(manifest, "version"), "");
    const struct json *file = manifest_artifact(manifest, "model.safetensors");
    if (!file)
        file = manifest_artifact(manifest, "model.onnx");
    const char *sum = json_string(json_get(file, "sha256"), "");
    if (strlen(sum) != 64)
        return fail(e, ERR_CONFIG, "initial-weights: version %.40s has neither model.safetensors nor model.onnx to start from", version);
    memcpy(j->weights.sha256, sum, 65);
    j->weights.key = arena_strdup(j->arena, json_string(json_get(file, "key"), ""));
    j->weights.parent = arena_strdup(j->arena, version);
    json_free(j->weights.manifest);
    j->weights.manifest = json_copy(manifest);
    return true;
}

/* Weights of another scale have another shape; classes and image size may be others. */
static bool fits(const struct job *j, const struct json *manifest)
{
    return !strcmp(json_string(json_get(json_get(manifest, "recipe"), "model"), j->config->model), j->config->model) &&
           (manifest_artifact(manifest, "model.safetensors") || manifest_artifact(manifest, "model.onnx"));
}

/* The newest version that this training can begin with, that nobody has rolled back from; owned, NULL = none. */
static bool newest_fitting(struct job *j, struct json **out, struct error *e)
{
    struct json *all = NULL, *moves = NULL;
    *out = NULL;
    bool ok = publish_list(j->store, &all, e) && history_read(j->store, &moves, e);
    for (size_t i = 0; ok && i < json_len(all) && !*out; i++) {
        const struct json *m = json_at(all, i);
        if (fits(j, m) && !history_rolled_back(moves, json_string(json_get(m, "version"), "")))
            *out = json_copy(m);
    }
    json_free(moves);
    json_free(all);
    return ok || fail_in(e, "initial-weights");
}

/* With `latest` every publish would change the starting point and so the version, and nothing would ever be skipped.
 * So the latest model's own starting point is tried first: if that gives the latest model's own version, then it was
 * trained from exactly this dataset and recipe, and it is the answer. */
static bool from_published(struct job *j, const struct json *latest, struct error *e)
{
    struct version v;
    const char *own = json_string(json_get(json_get(latest, "recipe"), "initial-weights"), "none");
    const char *name = json_string(json_get(latest, "version"), "");
    version_make(j->config, j->manifest.checksum, own, &v);
    if (!strcmp(v.name, name) && strlen(own) < sizeof j->weights.sha256) {
        memcpy(j->weights.sha256, own, strlen(own) + 1);
        const char *parent = json_string(json_get(latest, "parent"), NULL);
        j->weights.parent = parent ? arena_strdup(j->arena, parent) : NULL;
        if (!j->config->force)
            return true;
        struct error ignored = {0};
        if (!parent)
            return true;
        /* Trained again by --force: the same starting point is needed, and its own manifest names the file. */
        enum version_state state;
        struct json *manifest = NULL;
        char missing[256];
        bool ok = publish_find(j->store, parent, &state, &manifest, missing, &ignored) && state == VERSION_PUBLISHED &&
                  from_manifest(j, manifest, &ignored);
        json_free(manifest);
        return ok ||
               fail(e, ERR_CONFIG,
                    "initial-weights: the latest model began from version %s, which the store no longer has", parent);
    }
    return from_manifest(j, latest, e);
}

static bool from_latest(struct job *j, struct error *e)
{
    struct json *other = NULL;
    if (!j->latest)
        return true; /* the first model of a store starts from scratch */
    if (fits(j, j->latest))
        return from_published(j, j->latest, e);
    if (!newest_fitting(j, &other, e))
        return false;
    log_notice("initial-weights: the latest version %s does not fit a model of scale %s: %s%s",
               json_string(json_get(j->latest, "version"), "?"), j->config->model,
               other ? "beginning with " : "no published version does, so training begins from scratch",
               other ? json_string(json_get(other, "version"), "?") : "");
    bool ok = !other || from_published(j, other, e);
    json_free(other);
    return ok;
}

static bool from_store(struct job *j, const char *what, struct error *e)
{
    if (!j->store && !job_open_store(j, e))
        return false;
    if (!strcmp(what, "latest"))
        return from_latest(j, e);

    enum version_state state;
    struct json *manifest = NULL;
    char missing[256] = "";
    if (!publish_find(j->store, what, &state, &manifest, missing, e))
        return fail_in(e, "initial-weights");
    bool ok = state == VERSION_PUBLISHED ? from_manifest(j, manifest, e)
                                         : fail(e, ERR_CONFIG, "initial-weights: version %s is not published in %s",
                                                what, store_url(j->store));
    json_free(manifest);
    return ok;
}

/* s3://bucket/prefix/file: the folder is a store of its own, read with the same credentials. */
static bool fetch_url(struct job *j, const char *url, const char *to, struct error *e)
{
    const char *slash = strrchr(url, '/'), *folder = arena_strndup(j->arena, url, (size_t)(slash - url));
    struct store *s = NULL;
    if (strlen(folder) <= strlen("s3://") || !slash[1])
        return fail(e, ERR_CONFIG, "initial-weights: '%s' names no file; expected s3://bucket/folder/file", url);
    bool ok = job_connect_to(j, folder, false, &s, e) && store_get_file(s, slash + 1, to, NULL, e);
    store_close(s);
    return ok || fail_in(e, "initial-weights");
}

bool weights_resolve(struct job *j, struct error *e)
{
    const char *what = j->config->initial_weights;
    memcpy(j->weights.sha256, "none", 5);
    if (!strcmp(what, "none"))
        return true;
    if (!strcmp(what, "latest") || version_is_name(what))
        return from_store(j, what, e);

    const char *path = config_path(j->config, j->arena, what);
    if (!strncmp(what, "s3://", 5)) {
        path = fs_join(j->arena, j->config->workspace, ".retrain/initial-weights");
        if (!fs_mkdirs(fs_dir(j->arena, path), e) || !fetch_url(j, what, path, e))
            return false;
    } else if (!fs_exists(path)) {
        return fail(e, ERR_CONFIG,
                    "initial-weights: '%s' is neither none, latest, a version, an s3:// URL nor a file (looked at %s)",
                    what, path);
    }
    uint8_t sum[SHA256_BYTES];
    uint64_t size;
    if (!sha256_file(path, sum, &size, e))
        return fail_in(e, "initial-weights");
    hex_encode(sum, sizeof sum, j->weights.sha256);
    j->weights.path = path;
    return true;
}

/* Said before the hours of training. */
static void check_leakage(struct job *j)
{
    struct leakage *x = &j->weights.leakage;
    leakage_check(j, j->weights.manifest, &j->weights.split, x);
    const char *text = leakage_text(x, "the initial weights", j->arena);
    if (x->status == LEAKAGE_FOUND)
        log_warning("%s", text);
    else if (*text)
        log_info("%s", text);
}

bool weights_fetch(struct job *j, struct error *e)
{
    uint8_t sum[SHA256_BYTES];
    if (!j->weights.path && !j->weights.key)
        return true;
    check_leakage(j);
    if (j->weights.path)
        return true;
    if (!hex_decode(str_of(j->weights.sha256), sum, sizeof sum))
        return fail(e, ERR_STORE, "initial-weights: the manifest's checksum is not hexadecimal");
    const char *path = fs_join(j->arena, j->work_dir, fs_base(j->weights.key));
    if (!store_get_file(j->store, j->weights.key, path, sum, e))
        return fail_in(e, "initial-weights");
    j->weights.path = path;
    return true;
}
