#include "store/s3_put.h"

#include <inttypes.h>
#include <string.h>

#include "core/hash.h"
#include "store/s3_multipart.h"
#include "store/s3_object.h"

#define SINGLE_PUT_MAX (5ull << 30) /* S3's own limit for one PUT */
#define WHOLE_PARTS 4               /* files of up to so many parts go whole: 64 MiB */

/* radosgw matches If-Match only without the quotes that it sends itself. */
static const char *etag_as_wanted(const struct s3_store *s, const char *etag, struct arena *a)
{
    struct str t = str_of(etag);
    bool is_quoted = t.n >= 2 && t.p[0] == '"' && t.p[t.n - 1] == '"';
    return s->wants_bare_etags && is_quoted ? str_dup(a, str_slice(t, 1, t.n - 1)) : etag;
}

static bool run_put(struct s3_call *c, enum store_condition when, const char *etag, struct arena *a, struct error *e)
{
    size_t n_headers = c->n_headers;

    c->is_conditional = when != STORE_ALWAYS;
    if (when == STORE_IF_ABSENT)
        s3_call_header(c, "If-None-Match", "*");
    else if (when == STORE_IF_MATCH)
        s3_call_header(c, "If-Match", etag_as_wanted(c->s3, etag, a));
    bool ok = s3_run(c, a, e);
    c->n_headers = n_headers;
    return ok;
}

static bool holds(struct s3_call *c, enum store_condition when, const char *etag, struct arena *a, bool *does,
                  struct error *e)
{
    struct s3_call look;
    enum store_found found;

    if (!s3_head(&look, c->s3, c->key, a, &found, e))
        return false;
    *does = when == STORE_IF_ABSENT ? found == STORE_ABSENT
                                    : found == STORE_PRESENT && str_is(http_header(&look.reply, "ETag"), etag);
    return true;
}

/* If-Match was refused. Honestly so when the object has changed; but radosgw wants the etag without the quotes that it
 * sends itself, and in a versioned bucket refuses every etag: a refusal that is bogus twice over. */
static bool learn_match(struct s3_call *c, const char *etag, struct arena *a, struct error *e)
{
    struct s3_store *s = c->s3;
    bool does_hold;

    if (!holds(c, STORE_IF_MATCH, etag, a, &does_hold, e))
        return false;
    if (!does_hold)
        return true;
    if (!s->wants_bare_etags) {
        s->wants_bare_etags = true;
        if (!run_put(c, STORE_IF_MATCH, etag, a, e))
            return false;
        if (c->reply.status != 412)
            return true;
        s->wants_bare_etags = false;
        if (!holds(c, STORE_IF_MATCH, etag, a, &does_hold, e))
            return false;
    }
    s->has_no_match = does_hold;
    return true;
}

/* If-None-Match was refused. Honestly so when there is an object; but versitygw takes the delete marker of a versioned
 * bucket for one: what was once deleted could never be written again. */
static bool put_over_marker(struct s3_call *c, struct arena *a, bool *written, struct error *e)
{
    bool is_absent;

    if (!holds(c, STORE_IF_ABSENT, NULL, a, &is_absent, e))
        return false;
    if (is_absent)
        *written = run_put(c, STORE_ALWAYS, NULL, a, e);
    return !is_absent || *written;
}

/* A PUT under a condition. *written = false: somebody was first, or our own lost answer: the caller compares. */
static bool conditional_put(struct s3_call *c, enum store_condition when, const char *etag, struct arena *a, bool *written,
                            struct error *e)
{
    struct s3_store *s = c->s3;
    bool does_hold = true;

    *written = false;
    if (when == STORE_ALWAYS) {
        *written = run_put(c, when, NULL, a, e);
        return *written;
    }
    /* Where conditions are known to be ignored, looking first is what there is. */
    if (s->base.guarantee == STORE_BEST_EFFORT && !holds(c, when, etag, a, &does_hold, e))
        return false;
    if (!does_hold)
        return true;
    if (!s->has_no_conditions && !(when == STORE_IF_MATCH && s->has_no_match)) {
        if (!run_put(c, when, etag, a, e))
            return false;
        if (c->reply.status == 412 && when == STORE_IF_MATCH && !learn_match(c, etag, a, e))
            return false;
        if (c->reply.status == 412 && when == STORE_IF_ABSENT)
            return put_over_marker(c, a, written, e);
        bool is_bogus = when == STORE_IF_MATCH && s->has_no_match;
        if (c->reply.status != 501 && !is_bogus) {
            *written = c->reply.status / 100 == 2;
            return true;
        }
        s->has_no_conditions = c->reply.status == 501;
        store_degrade(&s->base, is_bogus ? "refuses every If-Match" : "has no conditional writes");
    }
    if (!holds(c, when, etag, a, &does_hold, e))
        return false;
    if (does_hold)
        *written = run_put(c, STORE_ALWAYS, NULL, a, e);
    return !does_hold || *written;
}

bool s3_put(struct store *s, const char *key, struct str bytes, const char *content_type, enum store_condition when,
            const char *etag, bool *written, struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "PUT", .key = key, .body = bytes};
    struct store_file ours = {.size_bytes = bytes.n};

    s3_call_header(&c, "Content-Type", content_type ? content_type : S3_OCTETS);
    bool ok = conditional_put(&c, when, etag, &a, written, e);
    if (ok && !*written && c.n_attempts > 1) {
        /* An attempt before may have succeeded with its answer lost; then the refusal is our own doing. */
        sha256_of(bytes.p, bytes.n, ours.sha256);
        ok = s3_is_file(s3_of(s), key, &ours, written, e);
    }
    arena_free(&a);
    return ok;
}

static bool put_whole(struct s3_store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                      struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s, .method = "PUT", .key = key, .body_path = f->path, .body_bytes = f->size_bytes,
                        .body_sha256 = f->sha256};
    char hex[SHA256_HEX];

    if (f->size_bytes > SINGLE_PUT_MAX)
        return fail(e, ERR_STORE, "%s: %s has %" PRIu64 " bytes, and the server takes no multipart uploads: one PUT holds at "
                    "most 5 GiB", s->base.url, f->path, f->size_bytes);
    hex_encode(f->sha256, sizeof f->sha256, hex);
    c.payload_sha256 = hex;
    s3_call_header(&c, "Content-Type", f->content_type ? f->content_type : S3_OCTETS);
    s3_call_header(&c, S3_META_SHA256, hex);
    bool ok = conditional_put(&c, only_if_absent ? STORE_IF_ABSENT : STORE_ALWAYS, NULL, &a, written, e);
    if (ok && !*written && c.n_attempts > 1)
        ok = s3_is_file(s, key, f, written, e);
    arena_free(&a);
    return ok;
}

static bool goes_in_parts(const struct s3_store *s, uint64_t size_bytes)
{
    return size_bytes > s->part_bytes * WHOLE_PARTS && !s->has_no_multipart;
}

bool s3_guards_new_file(const struct store *base, uint64_t size_bytes)
{
    const struct s3_store *s = s3_of(base);
    return !goes_in_parts(s, size_bytes) || s3_endpoint_is_aws(s->endpoint_url);
}

bool s3_put_file(struct store *base, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                 struct error *e)
{
    struct s3_store *s = s3_of(base);
    bool is_done = false;

    if (goes_in_parts(s, f->size_bytes)) {
        if (!s3_multipart_put(s, key, f, only_if_absent, written, e))
            return false;
        is_done = !s->has_no_multipart; /* it may have learned that the server has none */
    }
    return is_done || put_whole(s, key, f, only_if_absent, written, e);
}
