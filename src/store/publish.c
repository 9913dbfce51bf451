/* The publish protocol: artifacts, then one manifest, read back and compared, then the pointer. */
#include "store/publish.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "store/manifest.h"
#include "store/pointer.h"

#define REPAIR_TRIES 3

/* An artifact that is there and as long as its manifest says: S3 and rename both make whole objects only, so this
 * finds what was removed or replaced behind our back; the bytes are compared by who reads them. */
static bool check_artifact(struct store *s, const struct json *artifact, bool *is_sound, char missing[256],
                           struct error *e)
{
    const char *key = json_string(json_get(artifact, "key"), "");
    enum store_found found;
    uint64_t size_bytes;
    int64_t want = 0;

    json_int64(json_get(artifact, "size"), &want);
    if (!store_stat(s, key, &found, &size_bytes, e))
        return false;
    *is_sound = found == STORE_PRESENT && size_bytes == (uint64_t)want;
    if (found == STORE_ABSENT)
        snprintf(missing, 256, "%.200s is missing", key);
    else if (!*is_sound)
        snprintf(missing, 256, "%.160s has %llu bytes instead of %lld", key, (unsigned long long)size_bytes,
                 (long long)want);
    return true;
}

static bool find_parsed(struct store *s, const struct json *manifest, enum version_state *state, char missing[256],
                        struct error *e)
{
    const struct json *artifacts = json_get(manifest, "artifacts");
    bool is_sound = true;

    for (size_t i = 0; i < json_len(artifacts) && is_sound; i++) {
        if (!check_artifact(s, json_at(artifacts, i), &is_sound, missing, e))
            return false;
    }
    *state = is_sound ? VERSION_PUBLISHED : VERSION_INCOMPLETE;
    return true;
}

bool publish_find(struct store *s, const char *version, enum version_state *state, struct json **manifest,
                  char missing[256], struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str text;
    bool is_newer = false;
    char why[256];

    *state = VERSION_ABSENT;
    *manifest = NULL;
    missing[0] = 0;
    if (!version_is_valid(version))
        return fail(e, ERR_CONFIG, "\"%.80s\" is not a version (like 3f9ac1d27b04-5be1c0aa)", version);

    const char *key = version_key(&a, version, "manifest.json");
    bool ok = store_get(s, key, MANIFEST_MAX_BYTES, &a, &found, &text, NULL, e);
    if (ok && found == STORE_PRESENT) {
        if (manifest_parse(text, version, manifest, &is_newer, why)) {
            ok = find_parsed(s, *manifest, state, missing, e);
        } else if (is_newer) {
            ok = fail(e, ERR_STORE, "%s: %s was written by a newer retrain: use that or newer here too", store_url(s), key);
        } else {
            *state = VERSION_INCOMPLETE;
            snprintf(missing, 256, "manifest.json is damaged: %.200s", why);
        }
    }
    if (*state != VERSION_PUBLISHED) {
        json_free(*manifest);
        *manifest = NULL;
    }
    arena_free(&a);
    return ok || fail_in(e, "looking for version %s", version);
}

/* Takes away what makes a version incomplete: the manifest first, then the objects that do not fit it. Sound ones stay:
 * another repairer may count on them. */
static bool remove_incomplete(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    const char *key = version_key(&a, version, "manifest.json");
    struct json *manifest = NULL;
    enum store_found found;
    struct str text;
    bool is_newer;
    char why[256];

    bool ok = store_get(s, key, MANIFEST_MAX_BYTES, &a, &found, &text, NULL, e) && store_delete(s, key, e);
    if (ok && found == STORE_PRESENT)
        manifest_parse(text, version, &manifest, &is_newer, why);
    const struct json *artifacts = json_get(manifest, "artifacts");
    for (size_t i = 0; ok && i < json_len(artifacts); i++) {
        bool is_sound;
        ok = check_artifact(s, json_at(artifacts, i), &is_sound, why, e);
        if (ok && !is_sound)
            ok = store_delete(s, json_string(json_get(json_at(artifacts, i), "key"), ""), e);
    }
    json_free(manifest);
    arena_free(&a);
    return ok || fail_in(e, "removing the incomplete version %s", version);
}

static bool same_object(struct store *s, const char *key, const char *sha256, bool *is_same, struct error *e)
{
    enum store_found found;
    uint8_t sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    *is_same = false;
    if (!store_digest(s, key, &found, sum, e))
        return false;
    if (found == STORE_PRESENT) {
        hex_encode(sum, sizeof sum, hex);
        *is_same = strcmp(hex, sha256) == 0;
    }
    return true;
}

/* Uploads one artifact under versions/<version>/<name>. Objects are never replaced: another run may be publishing the
 * same version this minute, and its manifest would then name our bytes. If other bytes are there (that run, or one
 * that was killed), ours go below a folder named by their hash; the manifest says which. *key lives in the arena. */
static bool upload(struct store *s, const char *version, struct artifact *artifact, struct arena *a, char **key,
                   struct error *e)
{
    struct store_file file;
    bool written, is_same = false;

    /* Read once: what the manifest says and what is uploaded cannot differ, whatever happens to the file. */
    if (!store_file_read(artifact->path, artifact->content_type, &file, e))
        return false;
    hex_encode(file.sha256, sizeof file.sha256, artifact->sha256);
    artifact->size_bytes = file.size_bytes;

    *key = version_key(a, version, artifact->name);
    if (!store_put_new_file(s, *key, &file, &written, e))
        return false;
    if (!written && !same_object(s, *key, artifact->sha256, &is_same, e))
        return false;
    if (written || is_same)
        return true;

    *key = version_key(a, version, arena_printf(a, "%.12s/%s", artifact->sha256, artifact->name));
    log_debug("%s: other bytes under the plain name of %s, using %s", store_url(s), artifact->name, *key);
    return store_put_file(s, *key, &file, e);
}

static bool upload_all(struct store *s, const char *version, struct artifact *artifacts, size_t n, struct json *manifest,
                       struct error *e)
{
    struct arena a = {0};
    struct json *list = json_new_array();
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++) {
        char *key = NULL;
        ok = upload(s, version, &artifacts[i], &a, &key, e) || fail_in(e, "uploading %s", artifacts[i].name);
        if (!ok)
            break;
        struct json *entry = json_new_object();
        json_set(entry, "name", json_new_string(artifacts[i].name));
        json_set(entry, "key", json_new_string(key));
        json_set(entry, "sha256", json_new_string(artifacts[i].sha256));
        json_set(entry, "size", json_new_int((int64_t)artifacts[i].size_bytes));
        json_append(list, entry);
    }
    json_set(manifest, "artifacts", list);
    arena_free(&a);
    return ok;
}

static bool manifest_names_key(const struct json *manifest, const char *key)
{
    const struct json *artifacts = json_get(manifest, "artifacts");
    for (size_t i = 0; i < json_len(artifacts); i++) {
        if (strcmp(json_string(json_get(json_at(artifacts, i), "key"), ""), key) == 0)
            return true;
    }
    return false;
}

/* The loser takes away what only it wanted, as far as it can. */
static void remove_orphans(struct store *s, const struct json *ours, const struct json *theirs)
{
    const struct json *artifacts = json_get(ours, "artifacts");
    for (size_t i = 0; i < json_len(artifacts); i++) {
        const char *key = json_string(json_get(json_at(artifacts, i), "key"), "");
        struct error e;
        if (!manifest_names_key(theirs, key) && !store_delete(s, key, &e))
            log_debug("left behind: %s", e.message);
    }
}

/* Writes the manifest and learns whose it is in the end. *theirs = NULL: ours is there, byte for byte. */
static bool put_manifest(struct store *s, const char *version, const struct json *manifest, struct json **theirs,
                         struct error *e)
{
    struct arena a = {0};
    const char *key = version_key(&a, version, "manifest.json");
    struct str_buf text = STR_BUF(MANIFEST_MAX_BYTES);
    enum store_found found;
    struct str now = {0};
    bool written, is_newer, ok = true;
    char why[256];

    *theirs = NULL;
    json_write(manifest, true, &text);
    if (text.overflow)
        ok = fail(e, ERR_STORE, "the manifest would be larger than %u bytes", MANIFEST_MAX_BYTES);
    ok = ok && store_put(s, key, str_buf_view(&text), "application/json", STORE_IF_ABSENT, NULL, &written, e) &&
         store_get(s, key, MANIFEST_MAX_BYTES, &a, &found, &now, NULL, e);
    if (ok && found == STORE_ABSENT)
        ok = fail(e, ERR_STORE, "%s: %s was written but does not read back: was it removed meanwhile?", store_url(s), key);
    if (ok && !str_eq(now, str_buf_view(&text)) && !manifest_parse(now, version, theirs, &is_newer, why))
        ok = fail(e, ERR_STORE, "%s: %s reads back damaged (%s)", store_url(s), key, why);
    str_buf_free(&text);
    arena_free(&a);
    return ok || fail_in(e, "publishing version %s", version);
}

/* The marker stands from before the manifest until after the pointer. */
static bool begin_publishing(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    bool written;
    bool ok = store_put(s, version_publishing_key(&a, version), STR_LIT("being published\n"), "text/plain", STORE_ALWAYS,
                        NULL, &written, e);
    arena_free(&a);
    return ok;
}

static bool end_publishing(struct store *s, const char *version, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    bool ok = pointer_forward(s, manifest, e) && store_delete(s, version_publishing_key(&a, version), e);
    arena_free(&a);
    return ok;
}

bool publish_settle(struct store *s, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    const char *version = manifest_version(manifest);
    enum store_found found;
    uint64_t size_bytes;

    bool ok = store_stat(s, version_publishing_key(&a, version), &found, &size_bytes, e);
    if (ok && found == STORE_PRESENT) {
        log_notice("the run that published %s has not moved %s yet (interrupted?): moving it", version, LATEST_KEY);
        ok = end_publishing(s, version, manifest, e);
    }
    arena_free(&a);
    return ok;
}

static bool settle_incomplete(struct store *s, const char *version, enum version_state *state, struct json **theirs,
                              struct error *e)
{
    char missing[256];

    for (int i = 0; i < REPAIR_TRIES; i++) {
        if (!publish_find(s, version, state, theirs, missing, e))
            return false;
        if (*state != VERSION_INCOMPLETE)
            return true;
        log_warning("version %s is incomplete in %s (%s): publishing it again", version, store_url(s), missing);
        if (!remove_incomplete(s, version, e))
            return false;
    }
    return fail(e, ERR_STORE, "%s: version %s stays incomplete (%s)", store_url(s), version, missing);
}

bool publish_version(struct store *s, const char *version, struct artifact *artifacts, size_t n_artifacts,
                     struct json **manifest, bool *already, time_t now, struct error *e)
{
    enum version_state state;
    struct json *theirs = NULL;
    char created_at[CLOCK_RFC3339];
    bool ok;

    *already = false;
    if (n_artifacts == 0)
        BUG("publishing %s without artifacts", version);
    if (!settle_incomplete(s, version, &state, &theirs, e))
        return false;

    if (theirs) {
        *already = true;
        json_free(*manifest);
        *manifest = theirs;
        return publish_settle(s, theirs, e);
    }
    if (!json_get(*manifest, "created_at")) {
        clock_rfc3339(now, created_at);
        json_set(*manifest, "created_at", json_new_string(created_at));
    }
    ok = upload_all(s, version, artifacts, n_artifacts, *manifest, e) && begin_publishing(s, version, e) &&
         put_manifest(s, version, *manifest, &theirs, e);
    if (!ok)
        return false;
    if (theirs) {
        remove_orphans(s, *manifest, theirs);
        log_info("version %s was published by another run meanwhile", version);
        json_free(*manifest);
        *manifest = theirs;
        *already = true;
    }
    return end_publishing(s, version, *manifest, e);
}
