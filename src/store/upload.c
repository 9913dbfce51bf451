#include "store/upload.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "store/lock.h"
#include "store/manifest.h"

#define CLAIMS_MOST 1000
#define CHECKPOINTS_MOST 20000
#define OBJECTS_MOST 10000
#define CLAIM_MAX_BYTES 256

static const char *claims_of(struct arena *a, const char *version)
{
    return arena_printf(a, "checkpoints/%s/uploading-", version);
}

bool upload_claim(struct store *s, const char *version, time_t now, struct upload_claim *claim, struct error *e)
{
    struct arena a = {0};
    uint8_t dice[8];
    char hex[17], at[CLOCK_RFC3339];
    const char **keys;
    size_t n = 0;
    bool written;

    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, hex);
    clock_rfc3339(now, at);
    snprintf(claim->key, sizeof claim->key, "%s%s", claims_of(&a, version), hex);
    bool ok = store_put(s, claim->key, str_of(at), "text/plain", STORE_ALWAYS, NULL, &written, e) &&
              store_list(s, claims_of(&a, version), CLAIMS_MOST, &a, &keys, &n, e);
    claim->is_sole = ok && n == 1 && !strcmp(keys[0], claim->key);
    arena_free(&a);
    return ok;
}

bool upload_unclaim(struct store *s, struct upload_claim *claim, struct error *e)
{
    bool ok = !claim->key[0] || store_delete(s, claim->key, e);
    claim->key[0] = 0;
    return ok;
}

static bool names(const struct json *manifest, const char *member, const char *text)
{
    const struct json *artifacts = json_get(manifest, "artifacts");
    for (size_t i = 0; i < json_len(artifacts); i++) {
        if (strcmp(json_string(json_get(json_at(artifacts, i), member), ""), text) == 0)
            return true;
    }
    return false;
}

bool upload_tidy(struct store *s, const char *version, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    const char **objects, **claims;
    size_t n_objects = 0, n_claims = 0;

    bool ok = store_list(s, version_key(&a, version, ""), OBJECTS_MOST, &a, &objects, &n_objects, e) &&
              store_list(s, claims_of(&a, version), CLAIMS_MOST, &a, &claims, &n_claims, e);
    for (size_t i = 0; ok && i < n_objects; i++) {
        if (names(manifest, "name", fs_base(objects[i])) && !names(manifest, "key", objects[i]))
            ok = store_lock_check(s, e) && store_delete(s, objects[i], e);
    }
    for (size_t i = 0; ok && i < n_claims; i++)
        ok = store_delete(s, claims[i], e);
    arena_free(&a);
    return ok;
}

static bool is_alive(struct store *s, const char *key, time_t now, bool *alive, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str at;
    time_t since = 0;

    bool ok = store_get(s, key, CLAIM_MAX_BYTES, &a, &found, &at, NULL, e);
    *alive = ok && found == STORE_PRESENT &&
             (!clock_parse_rfc3339(at, &since) || difftime(now, since) < UPLOAD_CLAIM_DEAD_S);
    arena_free(&a);
    return ok;
}

bool upload_is_claimed(struct store *s, const char *version, time_t now, bool *is_claimed, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n;

    *is_claimed = false;
    bool ok = store_list(s, claims_of(&a, version), CLAIMS_MOST, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n && !*is_claimed; i++)
        ok = is_alive(s, keys[i], now, is_claimed, e);
    arena_free(&a);
    return ok;
}

bool upload_unclaim_dead(struct store *s, time_t now, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n;
    bool alive;

    bool ok = store_list(s, "checkpoints/", CHECKPOINTS_MOST, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (str_starts(str_of(fs_base(keys[i])), "uploading-"))
            ok = is_alive(s, keys[i], now, &alive, e) && (alive || store_delete(s, keys[i], e));
    }
    arena_free(&a);
    return ok;
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

/* Uploads one artifact as versions/<version>/<name>. Objects are never replaced by other bytes: another run may be
 * publishing the same version this minute, and its manifest would then name ours. So if other bytes are there, or (where
 * the store cannot refuse to overwrite) others might be writing there, ours go below a folder named by their hash; the
 * manifest says which. *key lives in the arena. */
static bool upload(struct store *s, const char *version, bool is_sole, struct artifact *artifact, struct arena *a,
                   char **key, struct error *e)
{
    struct store_file file;
    bool is_guarded, written = false, is_same = false;

    /* Read once: what the manifest says and what is uploaded cannot differ, whatever happens to the file. */
    if (!store_file_read(artifact->path, artifact->content_type, &file, e))
        return false;
    hex_encode(file.sha256, sizeof file.sha256, artifact->sha256);
    artifact->size_bytes = file.size_bytes;

    *key = version_key(a, version, artifact->name);
    if (!store_guards_new_file(s, file.size_bytes, &is_guarded, e))
        return false;
    if ((is_guarded || is_sole) && !store_put_new_file(s, *key, &file, &written, e))
        return false;
    if (!written && !same_object(s, *key, artifact->sha256, &is_same, e))
        return false;
    if (written || is_same)
        return true;

    *key = version_key(a, version, arena_printf(a, "%.12s/%s", artifact->sha256, artifact->name));
    log_debug("%s: the plain name of %s is another run's, using %s", store_url(s), artifact->name, *key);
    return store_put_file(s, *key, &file, e);
}

bool upload_artifacts(struct store *s, const char *version, const struct upload_claim *claim, struct artifact *artifacts,
                      size_t n, struct json *manifest, struct error *e)
{
    struct arena a = {0};
    struct json *list = json_new_array();
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++) {
        char *key = NULL;
        ok = upload(s, version, claim->is_sole, &artifacts[i], &a, &key, e) || fail_in(e, "uploading %s", artifacts[i].name);
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
