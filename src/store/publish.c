/* The publish protocol: artifacts; then, one process at a time, one manifest, read back and compared; then the pointer.
 * docs/stores-protocol.md says what that guarantees and why. tests/fault/test_protocol_model.py goes through all orders of
 * the same steps: (P1) to (P9) here and in upload.c, pointer.c and history.c, (R1) to (R3) in versions.c. Whoever changes one changes the other. */
#include "store/publish.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/lock.h"
#include "store/manifest.h"
#include "store/pointer.h"
#include "store/upload.h"

#define COMMIT_TRIES 5 /* each one lost means that somebody removed our artifacts, or that we lost the lock */

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

/* A version as the store has it. */
struct sight {
    enum version_state state;
    struct json *manifest; /* owned; only with VERSION_PUBLISHED */
    enum store_found found;
    char etag[128]; /* of manifest.json */
    char missing[256];
};

static bool look_at(struct store *s, const char *version, struct sight *out, struct error *e)
{
    struct arena a = {0};
    struct str text;
    bool is_newer = false;
    char why[256];

    *out = (struct sight){.state = VERSION_ABSENT};
    const char *key = version_key(&a, version, "manifest.json");
    bool ok = store_get(s, key, MANIFEST_MAX_BYTES, &a, &out->found, &text, out->etag, e);
    if (ok && out->found == STORE_PRESENT) {
        if (manifest_parse(text, version, &out->manifest, &is_newer, why)) {
            ok = find_parsed(s, out->manifest, &out->state, out->missing, e);
        } else if (is_newer) {
            ok = fail(e, ERR_STORE, "%s: %s was written by a newer retrain: use that or newer here too", store_url(s), key);
        } else {
            out->state = VERSION_INCOMPLETE;
            snprintf(out->missing, 256, "manifest.json is damaged: %.200s", why);
        }
    }
    if (out->state != VERSION_PUBLISHED) {
        json_free(out->manifest);
        out->manifest = NULL;
    }
    arena_free(&a);
    return ok;
}

bool publish_find(struct store *s, const char *version, enum version_state *state, struct json **manifest,
                  char missing[256], struct error *e)
{
    struct sight sight;

    *state = VERSION_ABSENT;
    *manifest = NULL;
    missing[0] = 0;
    if (!version_is_valid(version))
        return fail(e, ERR_CONFIG, "\"%.80s\" is not a version (like 3f9ac1d27b04-5be1c0aa)", version);
    if (!look_at(s, version, &sight, e))
        return fail_in(e, "looking for version %s", version);
    *state = sight.state;
    *manifest = sight.manifest;
    memcpy(missing, sight.missing, 256);
    return true;
}

/* (P6) Writes the manifest over what we saw. *written = false: something else is there by now. */
static bool put_manifest(struct store *s, const char *version, const struct json *manifest, const struct sight *over,
                         bool *written, struct json **theirs, struct error *e)
{
    struct arena a = {0};
    const char *key = version_key(&a, version, "manifest.json");
    struct str_buf text = STR_BUF(MANIFEST_MAX_BYTES);
    enum store_condition when = over->found == STORE_ABSENT ? STORE_IF_ABSENT
                                : over->etag[0]             ? STORE_IF_MATCH
                                                            : STORE_ALWAYS;
    enum store_found found = STORE_ABSENT;
    struct str now = {0};
    bool is_newer, ok = true;
    char why[256];

    json_write(manifest, true, &text);
    if (text.overflow)
        ok = fail(e, ERR_STORE, "the manifest would be larger than %u bytes", MANIFEST_MAX_BYTES);
    ok = ok && store_put(s, key, str_buf_view(&text), "application/json", when, over->etag, written, e);
    if (ok && *written)
        ok = store_get(s, key, MANIFEST_MAX_BYTES, &a, &found, &now, NULL, e);
    if (ok && *written && found == STORE_ABSENT)
        ok = fail(e, ERR_STORE, "%s: %s was written but does not read back: was it removed meanwhile?", store_url(s), key);
    if (ok && *written && !str_eq(now, str_buf_view(&text)) && !manifest_parse(now, version, theirs, &is_newer, why))
        ok = fail(e, ERR_STORE, "%s: %s reads back damaged (%s)", store_url(s), key, why);
    str_buf_free(&text);
    arena_free(&a);
    return ok;
}

/* (P5) The marker stands from before the manifest until after the pointer, under the lock. */
static bool begin_publishing(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    bool written;
    bool ok = store_put(s, version_publishing_key(&a, version), STR_LIT("being published\n"), "text/plain", STORE_ALWAYS,
                        NULL, &written, e);
    arena_free(&a);
    return ok;
}

/* (P8) Artifacts and claims that others have left behind. Best effort: not now, since if the lock was lost after all,
 * another manifest may still be there to name them; publish_prune comes by later. */
static void tidy(struct store *s, const char *version, const struct json *manifest)
{
    bool is_atomic;
    struct error e;
    if (!store_is_atomic(s, &is_atomic, &e) || (is_atomic && !upload_tidy(s, version, manifest, &e)))
        log_debug("left behind: %s", e.message);
}

/* (P7) to (P9). While the marker stands, whoever comes after a killed run does this again. */
static bool end_publishing(struct store *s, const char *version, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    bool ok = pointer_forward(s, manifest, e);
    if (ok)
        tidy(s, version, manifest);
    ok = ok && store_delete(s, version_publishing_key(&a, version), e);
    arena_free(&a);
    return ok;
}

/* Under the lock a marker says that who made it is gone; so we do what it did not come to. */
static bool end_for_another(struct store *s, const struct json *manifest, struct error *e)
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

bool publish_settle(struct store *s, const struct json *manifest, struct error *e)
{
    struct arena a = {0};
    const char *version = manifest_version(manifest);
    enum store_found found;
    uint64_t size_bytes;
    struct sight sight = {0};

    bool ok = store_stat(s, version_publishing_key(&a, version), &found, &size_bytes, e);
    arena_free(&a);
    if (!ok || found == STORE_ABSENT)
        return ok;
    ok = store_lock(s, e) && look_at(s, version, &sight, e) &&
         (sight.state != VERSION_PUBLISHED || end_for_another(s, sight.manifest, e));
    store_unlock(s);
    json_free(sight.manifest);
    return ok;
}

enum outcome { AGAIN, OURS, THEIRS };

/* (P5) Under the lock: has a removal taken what we uploaded? */
static bool check_own(struct store *s, const struct json *ours, bool *is_sound, bool *held, char missing[256],
                      struct error *e)
{
    const struct json *artifacts = json_get(ours, "artifacts");

    *is_sound = true;
    for (size_t i = 0; i < json_len(artifacts) && *is_sound; i++) {
        if (!check_artifact(s, json_at(artifacts, i), is_sound, missing, e) || !store_lock_keep(s, held, e))
            return false;
    }
    return true;
}

/* AGAIN: our artifacts are not all there (any more), or it took so long that the lock was lost. At the last try a store
 * with conditional writes goes on without the lock: there they alone decide who publishes, and the store may just be slow. */
static bool commit_over(struct store *s, const char *version, const struct json *ours, const struct sight *over,
                        bool is_last_try, enum outcome *outcome, struct json **theirs, struct error *e)
{
    char missing[256] = "";
    bool is_atomic, is_sound, held = false, written = false;

    if (!store_is_atomic(s, &is_atomic, e) || !check_own(s, ours, &is_sound, &held, missing, e) ||
        !begin_publishing(s, version, e) || !store_lock_keep(s, &held, e))
        return false;
    if (!is_sound || (!held && !(is_atomic && is_last_try))) {
        log_notice("%s: %s: once more", store_url(s), is_sound ? "lost the store's lock" : missing);
        return true;
    }
    if (!put_manifest(s, version, ours, over, &written, theirs, e))
        return false;
    if (written)
        *outcome = *theirs ? THEIRS : OURS;
    return !written || end_publishing(s, version, *theirs ? *theirs : ours, e);
}

/* first: the version before we uploaded. If it was incomplete and its manifest is still that one, our upload has healed
 * it: then it is ours to replace, so that the manifest tells of the training that the artifacts are from. */
static bool commit(struct store *s, const char *version, const struct json *ours, const struct sight *first,
                   bool is_last_try, enum outcome *outcome, struct json **theirs, struct error *e)
{
    struct sight sight = {0};

    *outcome = AGAIN;
    bool ok = store_lock(s, e) && look_at(s, version, &sight, e); /* (P3), (P4) */
    if (first->state == VERSION_INCOMPLETE && sight.etag[0] && !strcmp(first->etag, sight.etag)) {
        json_free(sight.manifest);
        sight.manifest = NULL;
        sight.state = VERSION_INCOMPLETE;
    }
    if (ok && sight.state == VERSION_PUBLISHED) {
        *outcome = THEIRS;
        *theirs = sight.manifest;
        ok = end_for_another(s, *theirs, e);
        tidy(s, version, *theirs);
    } else if (ok) {
        ok = commit_over(s, version, ours, &sight, is_last_try, outcome, theirs, e);
    }
    store_unlock(s);
    return ok || fail_in(e, "publishing version %s", version);
}

/* Nothing of it is visible before commit, so it may take as long as it wants and be killed at any point. */
static bool upload_and_commit(struct store *s, const char *version, struct artifact *artifacts, size_t n_artifacts,
                              struct json *manifest, const struct sight *first, enum outcome *outcome,
                              struct json **theirs, time_t now, struct error *e)
{
    struct upload_claim claim;
    struct error ignored;

    *outcome = AGAIN;
    bool ok = upload_claim(s, version, now, &claim, e); /* (P1) */
    for (int i = 0; ok && *outcome == AGAIN; i++) {
        if (i == COMMIT_TRIES)
            ok = fail(e, ERR_STORE, "%s: version %s could not be published in %d tries: is the store very slow?",
                      store_url(s), version, i);
        ok = ok && upload_artifacts(s, version, &claim, artifacts, n_artifacts, manifest, e) && /* (P2) */
             commit(s, version, manifest, first, i + 1 == COMMIT_TRIES, outcome, theirs, e);
    }
    if (!upload_unclaim(s, &claim, &ignored))
        log_debug("left behind: %s", ignored.message);
    return ok;
}

bool publish_version(struct store *s, const char *version, struct artifact *artifacts, size_t n_artifacts,
                     struct json **manifest, bool *already, time_t now, struct error *e)
{
    enum outcome outcome = THEIRS;
    struct sight first;
    struct json *theirs = NULL;
    char created_at[CLOCK_RFC3339];

    *already = false;
    if (n_artifacts == 0 || !version_is_valid(version))
        BUG("publishing %s, %zu artifacts", version, n_artifacts);
    if (!look_at(s, version, &first, e))
        return fail_in(e, "publishing version %s", version);
    if (first.state == VERSION_INCOMPLETE)
        log_warning("version %s is incomplete in %s (%s): publishing it again", version, store_url(s), first.missing);
    if (!json_get(*manifest, "created_at")) {
        clock_rfc3339(now, created_at);
        json_set(*manifest, "created_at", json_new_string(created_at));
    }
    bool ok;
    if (first.state == VERSION_PUBLISHED) {
        theirs = first.manifest;
        ok = publish_settle(s, theirs, e);
    } else {
        ok = upload_and_commit(s, version, artifacts, n_artifacts, *manifest, &first, &outcome, &theirs, now, e);
    }
    if (ok && outcome == THEIRS) {
        if (first.state != VERSION_PUBLISHED)
            log_info("version %s was published by another run meanwhile", version);
        json_free(*manifest);
        *manifest = theirs;
        *already = true;
    } else {
        json_free(theirs);
    }
    return ok;
}
