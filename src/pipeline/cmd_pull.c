/* Fetches a published model: every file verified by its checksum and put in place atomically, the manifest last, so
 * that a folder whose manifest.json names a version holds all of it. */
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "pipeline/job.h"

#define LIMIT_MANIFEST_BYTES (4u << 20)

/* The folder's manifest names the same version and its files are there with their sizes. */
static bool is_current(struct job *j, const char *dir, const struct json *wanted)
{
    struct str text;
    struct json *have = NULL;
    struct error e = {0};
    const char *path = fs_join(j->arena, dir, "manifest.json");
    if (!fs_exists(path) || !fs_read_file(path, LIMIT_MANIFEST_BYTES, j->arena, &text, &e) ||
        !json_parse(text, path, &have, &e))
        return false;
    bool same = !strcmp(json_string(json_get(have, "version"), "-"), json_string(json_get(wanted, "version"), "+"));
    json_free(have);
    const struct json *files = json_get(wanted, "artifacts");
    for (size_t i = 0; same && i < json_len(files); i++) {
        struct fs_stat st;
        const char *name = fs_base(json_string(json_get(json_at(files, i), "name"), ""));
        same = fs_stat(fs_join(j->arena, dir, name), true, &st, &e) && st.kind == FS_FILE &&
               (double)st.size_bytes == json_number(json_get(json_at(files, i), "size"), -1);
    }
    return same;
}

/* Names come from the store: a manifest that says "../../bin/x" must not write there. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

static bool fetch_files(struct job *j, const char *dir, const struct json *manifest, struct error *e)
{
    const struct json *files = json_get(manifest, "artifacts");
    for (size_t i = 0; i < json_len(files); i++) {
        const struct json *f = json_at(files, i);
        const char *name = json_string(json_get(f, "name"), ""), *key = json_string(json_get(f, "key"), "");
        uint8_t sum[SHA256_BYTES];
        if (!is_plain_name(name) || !*key ||
            !hex_decode(str_of(json_string(json_get(f, "sha256"), "")), sum, sizeof sum))
            return fail(e, ERR_STORE, "pull: the manifest's artifact %zu has no usable name, key or checksum", i + 1);
        if (!store_get_file(j->store, key, fs_join(j->arena, dir, name), sum, e))
            return fail_in(e, "pull: %s", name);
    }
    return true;
}

static bool pull(struct job *j, const struct json *manifest, const char *dir, struct error *e)
{
    const char *version = json_string(json_get(manifest, "version"), "?");
    j->outputs.version = arena_strdup(j->arena, version);
    outputs_from_manifest(&j->outputs, manifest, j->store, j->arena);
    if (is_current(j, dir, manifest)) {
        j->headline = arena_printf(j->arena, "pull: %s already holds %s; nothing was fetched", dir, version);
        return true;
    }
    struct str_buf text = STR_BUF(LIMIT_MANIFEST_BYTES);
    struct error ignored = {0};
    /* An old manifest beside new files would lie if we were killed now. */
    bool ok =
        fs_mkdirs(dir, e) && fs_remove(fs_join(j->arena, dir, "manifest.json"), e) && fetch_files(j, dir, manifest, e);
    (void)ignored;
    json_write(manifest, true, &text);
    ok = ok && fs_write_atomic(fs_join(j->arena, dir, "manifest.json"), str_buf_view(&text), e);
    str_buf_free(&text);
    if (ok)
        j->headline = arena_printf(j->arena, "pull: %s is in %s, checksums verified", version, dir);
    return ok;
}

bool cmd_pull(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    if (!*c->output)
        return fail(e, ERR_CONFIG, "pull: needs --output DIR, the folder for the model's files");
    const char *dir = config_path(c, j->arena, c->output);
    if (!job_open_store(j, e))
        return false;
    if (!*c->wanted_version)
        return j->latest ? pull(j, j->latest, dir, e)
                         : fail(e, ERR_STORE, "pull: nothing is published in %s yet", store_url(j->store));

    enum version_state state;
    char missing[256] = "";
    if (!publish_find(j->store, c->wanted_version, &state, &j->published, missing, e))
        return false;
    if (state == VERSION_INCOMPLETE)
        return fail(e, ERR_STORE, "pull: version %s is not complete in %s: %s", c->wanted_version, store_url(j->store),
                    missing);
    if (state == VERSION_ABSENT)
        return fail(e, ERR_STORE, "pull: version %s is not in %s; `retrain list` shows what is", c->wanted_version,
                    store_url(j->store));
    return pull(j, j->published, dir, e);
}
