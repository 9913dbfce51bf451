#include "store/store.h"

#include <string.h>

#include "core/hash.h"
#include "core/log.h"
#include "store/backend.h"

#define CLEAR_MOST 10000

char *store_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc(n);
    memcpy(copy, s, n);
    return copy;
}

bool store_key_is_valid(const char *key)
{
    size_t n = strlen(key);
    if (n == 0 || n > STORE_KEY_BYTES || key[n - 1] == '/')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = key[i];
        bool at_start = i == 0 || key[i - 1] == '/';
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && c != '-' && c != '_' && c != '.' && c != '/')
            return false;
        /* "." and ".." would leave the prefix; other dotted names are where temporaries and locks live. */
        if (at_start && (c == '.' || c == '/'))
            return false;
    }
    return true;
}

/* Keys come from our own code and from manifests that we fetched: the second kind may be anything. */
static bool check_key(const struct store *s, const char *key, struct error *e)
{
    if (!store_key_is_valid(key))
        return fail(e, ERR_STORE, "%s: \"%.200s\" is not a key that retrain writes (letters, digits, \"-._/\")", s->url,
                    key);
    return true;
}

bool store_open(const struct store_options *o, struct store **out, struct error *e)
{
    struct str url = str_of(o->url);
    *out = NULL;
    if (str_starts(url, "s3://"))
        return s3_open(o, out, e);
    if (str_starts(url, "file://"))
        return dir_open(o, out, e);
    if (str_starts(url, "https://") || str_starts(url, "http://"))
        return web_open(o, out, e);
    return fail(e, ERR_CONFIG, "store: \"%.200s\" is neither s3://bucket/prefix nor file://folder nor https://host/prefix",
                o->url ? o->url : "");
}

void store_close(struct store *s)
{
    if (!s)
        return;
    mem_free(s->url);
    mem_free(s->actor);
    s->url = s->actor = NULL;
    s->backend->close(s);
}

const char *store_url(const struct store *s)
{
    return s->url;
}

char *store_object_url(const struct store *s, const char *key, struct arena *a)
{
    return s->backend->object_url(s, key, a);
}

bool store_get(struct store *s, const char *key, size_t max_bytes, struct arena *a, enum store_found *found,
               struct str *out, char etag[128], struct error *e)
{
    char ignored[128];
    return store_get_changed(s, key, "", max_bytes, a, found, out, etag ? etag : ignored, e);
}

bool store_get_changed(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                       enum store_found *found, struct str *out, char etag[128], struct error *e)
{
    *found = STORE_ABSENT;
    *out = (struct str){0};
    etag[0] = 0;
    return check_key(s, key, e) && s->backend->get(s, key, known, max_bytes, a, found, out, etag, e);
}

bool store_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e)
{
    *found = STORE_ABSENT;
    *size_bytes = 0;
    return check_key(s, key, e) && s->backend->stat(s, key, found, size_bytes, e);
}

bool store_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128], struct error *e)
{
    *found = STORE_ABSENT;
    *age_s = 0;
    etag[0] = 0;
    return check_key(s, key, e) && s->backend->age(s, key, found, age_s, etag, e);
}

bool store_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e)
{
    *found = STORE_ABSENT;
    return check_key(s, key, e) && s->backend->digest(s, key, found, sha256, e);
}

bool store_file_read(const char *path, const char *content_type, struct store_file *out, struct error *e)
{
    *out = (struct store_file){.path = path, .content_type = content_type};
    return sha256_file(path, out->sha256, &out->size_bytes, e);
}

bool store_file_changed(const struct store_file *f, struct error *e)
{
    return fail(e, ERR_STORE, "%s changed while it was being uploaded: nothing was stored", f->path);
}

bool store_put_file(struct store *s, const char *key, const struct store_file *f, struct error *e)
{
    bool written;
    return check_key(s, key, e) && s->backend->put_file(s, key, f, false, &written, e);
}

bool store_put_new_file(struct store *s, const char *key, const struct store_file *f, bool *written, struct error *e)
{
    *written = false;
    return check_key(s, key, e) && s->backend->put_file(s, key, f, true, written, e);
}

bool store_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e)
{
    return check_key(s, key, e) && s->backend->get_file(s, key, path, sha256, e);
}

bool store_put(struct store *s, const char *key, struct str bytes, const char *content_type, enum store_condition when,
               const char *etag, bool *written, struct error *e)
{
    *written = false;
    if (when == STORE_IF_MATCH && (!etag || !etag[0]))
        BUG("STORE_IF_MATCH without an etag, key %s", key);
    return check_key(s, key, e) && s->backend->put(s, key, bytes, content_type, when, etag, written, e);
}

bool store_delete(struct store *s, const char *key, struct error *e)
{
    return check_key(s, key, e) && s->backend->remove(s, key, e);
}

bool store_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                struct error *e)
{
    *keys = NULL;
    *n = 0;
    return s->backend->list(s, prefix, limit, a, keys, n, e);
}

bool store_clear(struct store *s, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n = 0;
    bool ok = (!s->backend->clear || s->backend->clear(s, e)) && store_list(s, "", CLEAR_MOST, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = store_delete(s, keys[i], e);
    arena_free(&a);
    return ok || fail_in(e, "removing %s", s->url);
}

void store_sign(struct store *s, const char *actor)
{
    mem_free(s->actor);
    s->actor = store_strdup(actor);
}

void store_allow_after_stop(struct store *s, double seconds)
{
    if (s->backend->allow_after_stop)
        s->backend->allow_after_stop(s, seconds);
}

void store_degrade(struct store *s, const char *why)
{
    if (s->guarantee != STORE_BEST_EFFORT)
        log_warning("%s %s: publishing is best effort there: what is visible is whole all the same, but of two runs at the "
                    "same moment both may publish, and the later one stays",
                    s->url, why);
    s->guarantee = STORE_BEST_EFFORT;
}

/* Conditional writes hold only if the store refuses both kinds of condition that are false (some ignore them in
 * silence, some only in versioned buckets) and accepts the one that is true. */
static bool probe_conditions(struct store *s, const char *key, bool *holds, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str now;
    char etag[128];
    bool written = false, ok;

    ok = store_put(s, key, STR_LIT("probe 1\n"), "text/plain", STORE_IF_ABSENT, NULL, &written, e) &&
         store_get(s, key, 64, &a, &found, &now, etag, e);
    if (ok && (!written || found == STORE_ABSENT || !str_is(now, "probe 1\n")))
        ok = fail(e, ERR_STORE, "%s: what was just written to %s does not read back: is this store consistent?", s->url,
                  key);
    *holds = ok && etag[0];
    if (*holds) {
        ok = store_put(s, key, STR_LIT("probe 2\n"), "text/plain", STORE_IF_ABSENT, NULL, &written, e);
        *holds = ok && !written;
    }
    if (*holds) {
        ok = store_put(s, key, STR_LIT("probe 3\n"), "text/plain", STORE_IF_MATCH,
                       "\"00000000000000000000000000000000\"", &written, e);
        *holds = ok && !written;
    }
    if (*holds) {
        ok = store_put(s, key, STR_LIT("probe 4\n"), "text/plain", STORE_IF_MATCH, etag, &written, e);
        *holds = ok && written;
    }
    arena_free(&a);
    return ok;
}

bool store_probe(struct store *s, bool *atomic, struct error *e)
{
    uint8_t random[8];
    char key[32] = "probe/";
    bool holds = false;

    if (s->backend->tidy)
        s->backend->tidy(s);
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, key + strlen(key));
    if (!probe_conditions(s, key, &holds, e))
        return fail_in(e, "write permission");
    if (!store_delete(s, key, e))
        return fail_in(e, "write permission: removing the probe");

    /* The back end may have learned on the way that it must do without. */
    if (!holds)
        store_degrade(s, "ignores conditional writes");
    if (s->guarantee == STORE_UNPROBED) {
        s->guarantee = STORE_ATOMIC;
        log_debug("%s: conditional writes are atomic", s->url);
    }
    *atomic = s->guarantee == STORE_ATOMIC;
    return true;
}

bool store_is_atomic(struct store *s, bool *atomic, struct error *e)
{
    *atomic = s->guarantee == STORE_ATOMIC;
    return s->guarantee != STORE_UNPROBED || store_probe(s, atomic, e);
}

bool store_guards_new_file(struct store *s, uint64_t size_bytes, bool *does, struct error *e)
{
    if (!store_is_atomic(s, does, e))
        return false;
    *does = *does && (!s->backend->guards_new_file || s->backend->guards_new_file(s, size_bytes));
    return true;
}
