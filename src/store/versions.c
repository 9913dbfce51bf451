/* What is published: listing, pruning, removing, pointing. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "store/lock.h"
#include "store/manifest.h"
#include "store/pointer.h"
#include "store/publish.h"
#include "store/upload.h"

#define LIST_MAX_KEYS 200000u
#define TWINS_AMONG 100 /* we write some ten objects for a version */

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

bool publish_point(struct store *s, const char *version, enum history_why why, struct error *e)
{
    enum version_state state = VERSION_ABSENT;
    struct json *manifest = NULL;
    char missing[256];

    bool ok = store_lock(s, e) && publish_find(s, version, &state, &manifest, missing, e);
    if (ok && state == VERSION_ABSENT)
        ok = fail(e, ERR_CONFIG, "%s: version %s is not published: `retrain list` shows what is", store_url(s), version);
    else if (ok && state == VERSION_INCOMPLETE)
        ok = fail(e, ERR_STORE, "%s: version %s is incomplete (%s): publish it again first", store_url(s), version, missing);
    ok = ok && store_lock_check(s, e) && pointer_set(s, manifest, why, e);
    store_unlock(s);
    json_free(manifest);
    return ok;
}

/* (R2), (R3) Manifest first: from then on the version does not exist, whatever happens to the rest. */
static bool remove_objects(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n = 0;

    bool ok = store_lock_check(s, e) && store_delete(s, version_key(&a, version, "manifest.json"), e) &&
              store_list(s, version_key(&a, version, ""), LIST_MAX_KEYS, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = store_lock_check(s, e) && store_delete(s, keys[i], e);
    ok = ok && store_delete(s, version_publishing_key(&a, version), e);
    arena_free(&a);
    return ok || fail_in(e, "removing version %s", version);
}

/* (R1) */
static bool is_latest(struct store *s, const char *version, bool *is, struct error *e)
{
    enum store_found found;
    struct json *latest = NULL;
    bool ok = publish_latest(s, &found, &latest, e);

    *is = latest && strcmp(manifest_version(latest), version) == 0;
    json_free(latest);
    return ok;
}

bool publish_delete(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    enum store_found found = STORE_ABSENT;
    uint64_t size_bytes;
    bool is;

    if (!version_is_valid(version))
        return fail(e, ERR_CONFIG, "\"%.80s\" is not a version", version);
    bool ok = store_lock(s, e) && is_latest(s, version, &is, e);
    if (ok && is)
        ok = fail(e, ERR_CONFIG, "%s: %s names version %s: roll back to another one first", store_url(s), LATEST_KEY, version);
    ok = ok && store_stat(s, version_key(&a, version, "manifest.json"), &found, &size_bytes, e);
    if (ok && found == STORE_ABSENT)
        ok = fail(e, ERR_CONFIG, "%s: version %s is not published: `retrain list` shows what is", store_url(s), version);
    ok = ok && remove_objects(s, version, e);
    store_unlock(s);
    arena_free(&a);
    return ok;
}

/* Takes the lock for one version, so that publishers need not wait for the whole of it. What it was chosen for may have
 * changed meanwhile. with_manifest: it is published; else what is there is left of a removal or of a killed upload. */
static bool remove_one(struct store *s, const char *version, bool with_manifest, time_t now, bool *removed, struct error *e)
{
    struct arena a = {0};
    enum store_found found = STORE_ABSENT;
    uint64_t size_bytes;
    bool is_wanted = false;

    *removed = false;
    bool ok = store_lock(s, e) && is_latest(s, version, &is_wanted, e) &&
              store_stat(s, version_key(&a, version, "manifest.json"), &found, &size_bytes, e);
    is_wanted |= with_manifest != (found == STORE_PRESENT);
    if (ok && !is_wanted && !with_manifest)
        ok = upload_is_claimed(s, version, now, &is_wanted, e);
    if (ok && !is_wanted)
        ok = *removed = remove_objects(s, version, e);
    store_unlock(s);
    arena_free(&a);
    return ok;
}

/* One that cannot be removed (a bucket's policy, retention) does not protect the others: the first error is kept. */
static bool prune_published(struct store *s, int keep, time_t now, int *n_removed, struct error *e)
{
    struct json *all = NULL;
    struct error other;
    bool removed, ok = publish_list(s, &all, e);

    /* Oldest first: a run that is killed here leaves the newer ones. */
    for (size_t i = json_len(all); i > (size_t)keep; i--) {
        bool is_gone = remove_one(s, manifest_version(json_at(all, i - 1)), true, now, &removed, ok ? e : &other);
        ok = ok && is_gone;
        *n_removed += removed;
    }
    json_free(all);
    return ok;
}

/* What a version has below versions/<version>/, as a listing shows it. */
struct group {
    const char *version;
    const char **keys;
    size_t n;
    bool has_manifest, has_twins; /* twins: two objects of one name, so one of them is of a beaten publisher */
};

static struct group next_group(const char **keys, size_t n, struct arena *a)
{
    struct str rest = str_slice(str_of(keys[0]), strlen("versions/"), SIZE_MAX), name;
    bool is_below = str_cut(&rest, '/', &name);
    struct group g = {.version = str_dup(a, name), .keys = keys, .n = 1};
    const char *below = version_key(a, g.version, ""), *manifest = version_key(a, g.version, "manifest.json");

    while (is_below && g.n < n && str_starts(str_of(keys[g.n]), below))
        g.n++;
    for (size_t i = 0; i < g.n; i++) {
        g.has_manifest |= !strcmp(keys[i], manifest);
        for (size_t k = 0; k < i && i < TWINS_AMONG && !g.has_twins; k++)
            g.has_twins = !strcmp(fs_base(keys[i]), fs_base(keys[k]));
    }
    return g;
}

static bool tidy_one(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    struct json *manifest = NULL;
    bool is;

    bool ok = store_lock(s, e) && is_latest(s, version, &is, e);
    if (ok && !is)
        ok = load_manifest(s, version_key(&a, version, "manifest.json"), version, &manifest, e);
    if (ok && manifest)
        ok = upload_tidy(s, version, manifest, e);
    store_unlock(s);
    json_free(manifest);
    arena_free(&a);
    return ok;
}

/* What no manifest names: the rest of a removal that was interrupted, of a killed upload, of a beaten publisher. */
static bool prune_remains(struct store *s, time_t now, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n = 0;
    struct group g;
    bool removed, ok = store_list(s, "versions/", LIST_MAX_KEYS, &a, &keys, &n, e);

    for (size_t i = 0; ok && i < n; i += g.n) {
        g = next_group(keys + i, n - i, &a);
        if (!version_is_valid(g.version))
            continue;
        if (!g.has_manifest)
            ok = remove_one(s, g.version, false, now, &removed, e);
        else if (g.has_twins)
            ok = tidy_one(s, g.version, e);
    }
    arena_free(&a);
    return ok && upload_unclaim_dead(s, now, e);
}

bool publish_prune(struct store *s, int keep, time_t now, int *n_removed, struct error *e)
{
    *n_removed = 0;
    bool ok = (keep <= 0 || prune_published(s, keep, now, n_removed, e)) && prune_remains(s, now, e);
    return ok || fail_in(e, "pruning");
}
