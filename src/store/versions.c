/* What is published: listing, pruning, removing, pointing. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "store/manifest.h"
#include "store/pointer.h"
#include "store/publish.h"

#define LIST_MAX_KEYS 200000u

static const char manifest_name[] = "/manifest.json";

bool publish_read(struct store *s, const char *version, const char *known, enum store_found *found, struct json **out,
                  char etag[128], struct error *e)
{
    struct arena a = {0};
    struct str text;
    bool is_newer;
    char why[256];

    *out = NULL;
    *found = STORE_ABSENT;
    if (version[0] && !version_is_valid(version))
        return fail(e, ERR_CONFIG, "\"%.80s\" is not a version (like 3f9ac1d27b04-5be1c0aa)", version);
    const char *key = version[0] ? version_key(&a, version, "manifest.json") : LATEST_KEY;
    bool ok = store_get_changed(s, key, known, MANIFEST_MAX_BYTES, &a, found, &text, etag, e);
    if (ok && *found == STORE_PRESENT && !manifest_parse(text, version[0] ? version : NULL, out, &is_newer, why)) {
        if (is_newer)
            ok = fail(e, ERR_STORE, "%s: %s was written by a newer retrain: use that or newer here too", store_url(s), key);
        else
            ok = fail(e, ERR_STORE, "%s: %s is damaged, or not what retrain writes (%s)", store_url(s), key, why);
    }
    arena_free(&a);
    return ok;
}

/* versions/<version>/manifest.json and nothing deeper. */
static char *version_of_key(struct arena *a, const char *key)
{
    struct str version = str_slice(str_of(key), strlen("versions/"), SIZE_MAX);
    if (!str_ends(version, manifest_name))
        return NULL;
    version.n -= strlen(manifest_name);
    char *text = str_dup(a, version);
    return version_is_valid(text) ? text : NULL;
}

static int newest_first(const void *a, const void *b)
{
    return manifest_order(*(struct json *const *)b, *(struct json *const *)a);
}

static bool load_manifest(struct store *s, const char *key, const char *version, struct json **out, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str text;
    bool is_newer;
    char why[256];

    *out = NULL;
    bool ok = store_get(s, key, MANIFEST_MAX_BYTES, &a, &found, &text, NULL, e);
    if (ok && found == STORE_PRESENT && !manifest_parse(text, version, out, &is_newer, why))
        log_warning("%s: %s is damaged (%s): not listed", store_url(s), key, why);
    arena_free(&a);
    return ok;
}

bool publish_list(struct store *s, struct json **array, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n_keys, n = 0;

    *array = NULL;
    bool ok = store_list(s, "versions/", LIST_MAX_KEYS, &a, &keys, &n_keys, e);
    struct json **found = ok ? ARENA_NEW(&a, struct json *, n_keys) : NULL;
    for (size_t i = 0; ok && i < n_keys; i++) {
        const char *version = version_of_key(&a, keys[i]);
        if (!version)
            continue;
        ok = load_manifest(s, keys[i], version, &found[n], e);
        n += ok && found[n];
    }
    if (ok) {
        qsort(found, n, sizeof *found, newest_first);
        *array = json_new_array();
    }
    for (size_t i = 0; i < n; i++) {
        if (ok)
            json_append(*array, found[i]);
        else
            json_free(found[i]);
    }
    arena_free(&a);
    return ok || fail_in(e, "listing versions");
}

bool publish_point(struct store *s, const char *version, struct error *e)
{
    enum version_state state;
    struct json *manifest = NULL;
    char missing[256];

    bool ok = publish_find(s, version, &state, &manifest, missing, e);
    if (ok && state == VERSION_ABSENT)
        ok = fail(e, ERR_CONFIG, "%s: version %s is not published: `retrain list` shows what is", store_url(s), version);
    else if (ok && state == VERSION_INCOMPLETE)
        ok = fail(e, ERR_STORE, "%s: version %s is incomplete (%s): publish it again first", store_url(s), version, missing);
    ok = ok && pointer_set(s, manifest, e);
    json_free(manifest);
    return ok;
}

/* Manifest first: from then on the version does not exist, whatever happens to the rest. */
static bool remove_objects(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n = 0;

    bool ok = store_delete(s, version_key(&a, version, "manifest.json"), e) &&
              store_list(s, version_key(&a, version, ""), LIST_MAX_KEYS, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = store_delete(s, keys[i], e);
    arena_free(&a);
    return ok || fail_in(e, "removing version %s", version);
}

bool publish_delete(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct json *latest = NULL;
    uint64_t size_bytes;

    if (!version_is_valid(version))
        return fail(e, ERR_CONFIG, "\"%.80s\" is not a version", version);
    bool ok = publish_latest(s, &found, &latest, e);
    if (ok && latest && strcmp(manifest_version(latest), version) == 0)
        ok = fail(e, ERR_CONFIG, "%s: %s names version %s: roll back to another one first", store_url(s), LATEST_KEY, version);
    ok = ok && store_stat(s, version_key(&a, version, "manifest.json"), &found, &size_bytes, e);
    if (ok && found == STORE_ABSENT)
        ok = fail(e, ERR_CONFIG, "%s: version %s is not published: `retrain list` shows what is", store_url(s), version);
    ok = ok && remove_objects(s, version, e);
    json_free(latest);
    arena_free(&a);
    return ok;
}

bool publish_prune(struct store *s, int keep, int *n_removed, struct error *e)
{
    enum store_found found;
    struct json *all = NULL, *latest = NULL;

    *n_removed = 0;
    if (keep <= 0)
        return true;
    bool ok = publish_latest(s, &found, &latest, e) && publish_list(s, &all, e);
    for (size_t i = (size_t)keep; ok && i < json_len(all); i++) {
        const char *version = manifest_version(json_at(all, i));
        if (latest && strcmp(manifest_version(latest), version) == 0)
            continue;
        ok = remove_objects(s, version, e);
        *n_removed += ok;
    }
    json_free(all);
    json_free(latest);
    return ok || fail_in(e, "pruning");
}
