#include "store/rejected.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "store/manifest.h"
#include "store/upload.h"

#define FOLDER "rejected"
#define LIST_MAX_KEYS 10000u

static char *key_of(struct arena *a, const char *version, const char *name)
{
    return arena_printf(a, FOLDER "/%s/%s", version, name);
}

static bool check_version(const char *version, struct error *e)
{
    return version_is_valid(version) || fail(e, ERR_CONFIG, "\"%.80s\" is not a version (like 3f9ac1d27b04-5be1c0aa)", version);
}

/* ---- storing ------------------------------------------------------------------------------------------------------ */

bool rejected_mark(struct store *s, const char *version, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    struct str_buf text = STR_BUF(MANIFEST_MAX_BYTES);
    bool written;
    json_write(manifest, true, &text);
    bool ok = !text.overflow || fail(e, ERR_STORE, "the manifest would be larger than %u bytes", MANIFEST_MAX_BYTES);
    ok = ok && store_put(s, key_of(&a, version, "manifest.json"), str_buf_view(&text), "application/json", STORE_ALWAYS, NULL,
                         &written, e);
    str_buf_free(&text);
    arena_free(&a);
    return ok;
}

static bool put_artifact(struct store *s, const char *version, struct artifact *f, struct json *list, struct error *e)
{
    struct arena a = {0};
    struct store_file file;
    const char *key = key_of(&a, version, f->name);
    bool ok = store_file_read(f->path, f->content_type, &file, e) && store_put_file(s, key, &file, e);
    if (ok) {
        struct json *entry = json_new_object();
        hex_encode(file.sha256, sizeof file.sha256, f->sha256);
        f->size_bytes = file.size_bytes;
        json_set(entry, "name", json_new_string(f->name));
        json_set(entry, "key", json_new_string(key));
        json_set(entry, "sha256", json_new_string(f->sha256));
        json_set(entry, "size", json_new_int((int64_t)f->size_bytes));
        json_append(list, entry);
    }
    arena_free(&a);
    return ok;
}

bool rejected_put(struct store *s, const char *version, struct artifact *artifacts, size_t n, struct json *manifest, struct error *e)
{
    if (!check_version(version, e))
        return false;
    json_set(manifest, "artifacts", json_new_array());
    bool ok = rejected_mark(s, version, manifest, e);
    struct json *list = json_new_array();
    for (size_t i = 0; ok && i < n; i++)
        ok = put_artifact(s, version, &artifacts[i], list, e);
    json_set(manifest, "artifacts", list);
    ok = ok && rejected_mark(s, version, manifest, e);
    return ok || fail_in(e, "keeping the refused version %s", version);
}

/* ---- finding ------------------------------------------------------------------------------------------------------ */

static bool is_whole(struct store *s, const struct json *manifest, bool *is, struct error *e)
{
    const struct json *list = json_get(manifest, "artifacts");
    *is = true;
    for (size_t i = 0; *is && i < json_len(list); i++) {
        enum store_found found;
        uint64_t size_bytes;
        int64_t want = -1;
        json_int64(json_get(json_at(list, i), "size"), &want);
        if (!store_stat(s, json_string(json_get(json_at(list, i), "key"), ""), &found, &size_bytes, e))
            return false;
        *is = found == STORE_PRESENT && want >= 0 && size_bytes == (uint64_t)want;
    }
    return true;
}

/* What is there, sound or not: *began tells since when; 0 = nothing is known of it. */
static bool look(struct store *s, const char *version, struct json **manifest, time_t *began, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str text;
    struct json *any = NULL;
    struct error broken;
    bool is_newer, is = false;
    char why[256];

    *manifest = NULL;
    *began = 0;
    bool ok = store_get(s, key_of(&a, version, "manifest.json"), MANIFEST_MAX_BYTES, &a, &found, &text, NULL, e);
    if (ok && found == STORE_PRESENT && json_parse(text, "JSON", &any, &broken)) {
        *began = manifest_time(any);
        if (manifest_parse_below(text, FOLDER, version, manifest, &is_newer, why))
            ok = is_whole(s, *manifest, &is, e);
    }
    if (!is) {
        json_free(*manifest);
        *manifest = NULL;
    }
    json_free(any);
    arena_free(&a);
    return ok;
}

bool rejected_find(struct store *s, const char *version, struct json **manifest, struct error *e)
{
    time_t began;
    *manifest = NULL;
    return check_version(version, e) && (look(s, version, manifest, &began, e) || fail_in(e, "looking for a refused %s", version));
}

static int newest_first(const void *a, const void *b)
{
    return manifest_order(*(struct json *const *)b, *(struct json *const *)a);
}

/* The versions that have anything here. */
static bool list_versions(struct store *s, struct arena *a, const char ***versions, size_t *n, struct error *e)
{
    const char **keys;
    size_t n_keys;
    *n = 0;
    if (!store_list(s, FOLDER "/", LIST_MAX_KEYS, a, &keys, &n_keys, e))
        return false;
    *versions = ARENA_NEW(a, const char *, n_keys + 1);
    for (size_t i = 0; i < n_keys; i++) {
        struct str rest = str_slice(str_of(keys[i]), strlen(FOLDER "/"), SIZE_MAX), name;
        str_cut(&rest, '/', &name);
        const char *version = str_dup(a, name);
        if (version_is_valid(version) && (*n == 0 || strcmp((*versions)[*n - 1], version)))
            (*versions)[(*n)++] = version;
    }
    return true;
}

bool rejected_list(struct store *s, struct json **array, struct error *e)
{
    struct arena a = {0};
    const char **versions;
    size_t n, n_found = 0;
    time_t began;

    *array = json_new_array();
    bool ok = list_versions(s, &a, &versions, &n, e);
    struct json **found = ok ? ARENA_NEW(&a, struct json *, n + 1) : NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = look(s, versions[i], &found[n_found], &began, e);
        n_found += ok && found[n_found];
    }
    if (n_found)
        qsort(found, n_found, sizeof *found, newest_first);
    for (size_t i = 0; i < n_found; i++)
        json_append(*array, found[i]);
    arena_free(&a);
    return ok || fail_in(e, "listing refused versions");
}

/* ---- removing ----------------------------------------------------------------------------------------------------- */

/* The manifest last: it says whose files these are as long as there are any. */
bool rejected_remove(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    const char **keys, *manifest = key_of(&a, version, "manifest.json");
    size_t n = 0;
    bool ok = check_version(version, e) && store_list(s, key_of(&a, version, ""), LIST_MAX_KEYS, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = !strcmp(keys[i], manifest) || store_delete(s, keys[i], e);
    ok = ok && (!n || store_delete(s, manifest, e));
    arena_free(&a);
    return ok || fail_in(e, "removing the refused version %s", version);
}

bool rejected_prune(struct store *s, time_t now, struct error *e)
{
    struct arena a = {0};
    struct json *sound = NULL, *manifest;
    const char **versions;
    size_t n;
    time_t began;

    bool ok = rejected_list(s, &sound, e) && list_versions(s, &a, &versions, &n, e);
    for (size_t i = json_len(sound); ok && i > REJECTED_KEPT; i--)
        ok = rejected_remove(s, manifest_version(json_at(sound, i - 1)), e);
    for (size_t i = 0; ok && i < n; i++) {
        ok = look(s, versions[i], &manifest, &began, e);
        if (ok && !manifest && difftime(now, began) > UPLOAD_CLAIM_DEAD_S)
            ok = rejected_remove(s, versions[i], e);
        json_free(manifest);
    }
    json_free(sound);
    arena_free(&a);
    return ok;
}
