/* The MODEL of `eval` and `predict`: a file, a folder that `pull` or `train` filled, `latest`, a version of the store, or
 * rejected/VERSION for one that the gate refused. */
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "pipeline/stages.h"
#include "store/rejected.h"

#define MODEL_FILE "model.safetensors"
#define REJECTED_FOLDER "rejected/"

static bool is_in_place(const char *path, const uint8_t wanted[SHA256_BYTES])
{
    uint8_t have[SHA256_BYTES];
    uint64_t size;
    struct error e;
    return fs_exists(path) && sha256_file(path, have, &size, &e) && !memcmp(have, wanted, sizeof have);
}

/* Kept in .retrain/models, so that a second call fetches nothing; the next finished run clears it away. */
bool model_fetch(struct job *j, const struct json *manifest, const char **path, struct error *e)
{
    const char *version = json_string(json_get(manifest, "version"), "");
    const struct json *file = manifest_artifact(manifest, MODEL_FILE);
    uint8_t sum[SHA256_BYTES];
    if (!file)
        file = manifest_artifact(manifest, "model.onnx");
    if (!file)
        return fail(e, ERR_CONFIG, "version %.40s was published without " MODEL_FILE " and model.onnx", version);
    if (!version_is_name(version) || !hex_decode(str_of(json_string(json_get(file, "sha256"), "")), sum, sizeof sum))
        return fail(e, ERR_STORE, "the manifest of version %.40s has no usable name or checksum", version);
    const char *ending = fs_ext(json_string(json_get(file, "name"), ""));
    *path = arena_printf(j->arena, "%s/.retrain/models/%s%s", j->config->workspace, version, ending);
    log_info("model: version %s of %s", version, store_url(j->store));
    return is_in_place(*path, sum) || (fs_mkdirs(fs_dir(j->arena, *path), e) &&
                                       store_get_file(j->store, json_string(json_get(file, "key"), ""), *path, sum, e));
}

static bool fetch_refused(struct job *j, const char *version, const char **path, struct error *e)
{
    if (!rejected_find(j->store, version, &j->refused, e))
        return false;
    if (!j->refused)
        return fail(e, ERR_STORE, "no refused model of version %s is kept in %s; `retrain list` shows what is", version,
                    store_url(j->store));
    return model_fetch(j, j->refused, path, e);
}

bool model_place(struct job *j, const char *what, const char **path, struct error *e)
{
    struct fs_stat st;
    *path = config_path(j->config, j->arena, what);
    if (!fs_stat(*path, true, &st, e))
        return false;
    if (st.kind == FS_DIR) {
        *path = fs_join(j->arena, *path, MODEL_FILE);
        return fs_exists(*path) || fail(e, ERR_CONFIG, "%s: this folder has no " MODEL_FILE, what);
    }
    if (st.kind != FS_ABSENT)
        return true;
    const char *refused = str_starts(str_of(what), REJECTED_FOLDER) ? what + strlen(REJECTED_FOLDER) : NULL;
    if (strcmp(what, "latest") && !version_is_name(refused ? refused : what))
        return fail(e, ERR_CONFIG, "%s: there is no such file; MODEL is a file or folder, latest, a version, or rejected/VERSION", what);
    if (!job_open_store(j, e))
        return false;
    if (refused)
        return fetch_refused(j, refused, path, e);
    if (!strcmp(what, "latest"))
        return j->latest ? model_fetch(j, j->latest, path, e)
                         : fail(e, ERR_STORE, "latest: nothing is published in %s yet", store_url(j->store));
    enum version_state state;
    char missing[256] = "";
    if (!publish_find(j->store, what, &state, &j->published, missing, e))
        return false;
    if (state != VERSION_PUBLISHED)
        return fail(e, ERR_STORE, "version %s is not published in %s; `retrain list` shows what is", what,
                    store_url(j->store));
    return model_fetch(j, j->published, path, e);
}
