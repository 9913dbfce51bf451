/* A bucket as a store. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/xml.h"
#include "store/s3_request.h"

#define SINGLE_PUT_MAX (5ull << 30) /* S3's own limit for one PUT */
#define OCTETS "application/octet-stream"
#define LIST_REPLY_MAX (8u << 20)
#define LIST_MAX_PAGES 1000
#define META_SHA256 "x-amz-meta-sha256"

static struct s3_store *s3_of(const struct store *s)
{
    return (struct s3_store *)s;
}

static void s3_close(struct store *base)
{
    struct s3_store *s = s3_of(base);
    credentials_close(s->credentials);
    http_close(s->http);
    arena_free(&s->arena);
    mem_free(s);
}

static char *s3_object_url(const struct store *base, const char *key, struct arena *a)
{
    const struct s3_location *at = &s3_of(base)->location;
    return arena_printf(a, "s3://%s/%s%s%s", at->bucket, at->prefix, at->prefix[0] ? "/" : "", key);
}

static void s3_allow_after_stop(struct store *base, double seconds)
{
    http_allow_after_stop(s3_of(base)->http, seconds);
    credentials_allow_after_stop(s3_of(base)->credentials, seconds);
}

static bool s3_get(struct store *s, const char *key, size_t max_bytes, struct arena *a, enum store_found *found,
                   struct str *out, char etag[128], struct error *e)
{
    struct s3_call c = {.s3 = s3_of(s), .method = "GET", .key = key, .max_bytes = max_bytes, .absent_is_fine = true};

    if (!s3_run(&c, a, e))
        return false;
    if (c.reply.status == 404)
        return true;
    *found = STORE_PRESENT;
    *out = c.reply.body;
    struct str tag = http_header(&c.reply, "ETag");
    if (etag && tag.n < 128) {
        memcpy(etag, tag.p, tag.n);
        etag[tag.n] = 0;
    }
    return true;
}

static bool head(struct s3_call *c, struct store *s, const char *key, struct arena *a, enum store_found *found,
                 struct error *e)
{
    *c = (struct s3_call){.s3 = s3_of(s), .method = "HEAD", .key = key, .absent_is_fine = true};
    if (!s3_run(c, a, e))
        return false;
    *found = c->reply.status == 404 ? STORE_ABSENT : STORE_PRESENT;
    return true;
}

static bool s3_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    bool ok = head(&c, s, key, &a, found, e);

    if (ok && *found == STORE_PRESENT && !str_to_uint64(http_header(&c.reply, "Content-Length"), size_bytes))
        ok = fail(e, ERR_STORE, "%s: HEAD %s: the reply has no Content-Length", s->url, key);
    arena_free(&a);
    return ok;
}

static bool s3_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    bool ok = head(&c, s, key, &a, found, e);

    /* Our own uploads carry it; for others the bytes are read. */
    if (ok && *found == STORE_PRESENT && !hex_decode(http_header(&c.reply, META_SHA256), sha256, 32)) {
        FILE *nowhere = fopen("/dev/null", "wbe");
        c = (struct s3_call){.s3 = s3_of(s), .method = "GET", .key = key, .sink = nowhere, .absent_is_fine = true};
        ok = nowhere ? s3_run(&c, &a, e) : fail(e, ERR_INTERNAL, "/dev/null: %s", strerror(errno));
        if (ok) {
            *found = c.reply.status == 404 ? STORE_ABSENT : STORE_PRESENT;
            memcpy(sha256, c.reply.sha256, 32);
        }
        if (nowhere)
            fclose(nowhere);
    }
    arena_free(&a);
    return ok;
}

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

    if (!head(&look, &c->s3->base, c->key, a, &found, e))
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

static bool s3_put(struct store *s, const char *key, struct str bytes, const char *content_type, enum store_condition when,
                   const char *etag, bool *written, struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "PUT", .key = key, .body = bytes};
    enum store_found found = STORE_ABSENT;
    uint64_t size_bytes = 0;
    struct str now;

    s3_call_header(&c, "Content-Type", content_type ? content_type : OCTETS);
    bool ok = conditional_put(&c, when, etag, &a, written, e);
    if (ok && !*written && c.n_attempts > 1) {
        /* An attempt before may have succeeded with its answer lost; then the refusal is our own doing. */
        ok = s3_stat(s, key, &found, &size_bytes, e);
        if (ok && found == STORE_PRESENT && size_bytes == bytes.n) {
            ok = s3_get(s, key, bytes.n + 1, &a, &found, &now, NULL, e);
            *written = ok && found == STORE_PRESENT && str_eq(now, bytes);
        }
    }
    arena_free(&a);
    return ok;
}

static bool s3_put_file(struct store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                        struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "PUT", .key = key, .body_path = f->path, .body_bytes = f->size_bytes,
                        .body_sha256 = f->sha256};
    enum store_found found;
    uint8_t there[SHA256_BYTES];
    char hex[SHA256_HEX];

    if (f->size_bytes > SINGLE_PUT_MAX)
        return fail(e, ERR_STORE, "%s: %s has %" PRIu64 " bytes: one upload takes at most 5 GiB", s->url, f->path,
                    f->size_bytes);
    hex_encode(f->sha256, sizeof f->sha256, hex);
    c.payload_sha256 = hex;
    s3_call_header(&c, "Content-Type", f->content_type ? f->content_type : OCTETS);
    s3_call_header(&c, META_SHA256, hex);
    bool ok = conditional_put(&c, only_if_absent ? STORE_IF_ABSENT : STORE_ALWAYS, NULL, &a, written, e);
    if (ok && !*written && c.n_attempts > 1) {
        ok = s3_digest(s, key, &found, there, e);
        *written = ok && found == STORE_PRESENT && memcmp(f->sha256, there, sizeof there) == 0;
    }
    arena_free(&a);
    return ok;
}

static bool sync_and_name(FILE *f, const char *temporary, const char *path, struct arena *a, struct error *e)
{
    if (fflush(f) || (fsync(fileno(f)) && errno != EINVAL))
        return fail(e, ERR_INTERNAL, "writing %s: %s", path, strerror(errno));
    if (rename(temporary, path))
        return fail(e, ERR_INTERNAL, "rename %s to %s: %s", temporary, path, strerror(errno));
    int fd = open(fs_dir(a, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* the name survives a power cut where the file system can promise that */
        close(fd);
    }
    return true;
}

static bool s3_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "GET", .key = key, .absent_is_fine = true};
    uint8_t nonce[8];
    char hex[17];

    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    const char *temporary = fs_join(&a, fs_dir(&a, path), arena_printf(&a, ".%s.%s.new", fs_base(path), hex));
    c.sink = fopen(temporary, "wbxe");
    bool ok = c.sink || fail(e, ERR_INTERNAL, "write %s: %s", path, strerror(errno));
    ok = ok && s3_run(&c, &a, e);
    if (ok && c.reply.status == 404)
        ok = fail(e, ERR_STORE, "%s: %s does not exist", s->url, key);
    if (ok && sha256 && memcmp(c.reply.sha256, sha256, SHA256_BYTES))
        ok = fail(e, ERR_STORE, "%s: %s holds other bytes than its manifest says (SHA-256 differs): publish it again", s->url,
                  key);
    ok = ok && sync_and_name(c.sink, temporary, path, &a, e);
    if (c.sink) {
        fclose(c.sink);
        if (!ok)
            unlink(temporary);
    }
    arena_free(&a);
    return ok;
}

static bool s3_remove(struct store *s, const char *key, struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "DELETE", .key = key, .absent_is_fine = true};
    bool ok = s3_run(&c, &a, e);
    arena_free(&a);
    return ok;
}

struct listing {
    const char **keys;
    size_t n, cap;
    const char *skip; /* the store's prefix with its slash */
};

static bool read_page(struct str body, struct listing *l, size_t limit, struct arena *a, const char **token, struct error *e)
{
    struct xml_node *root;

    *token = NULL;
    if (!xml_parse(body, "listing", a, &root, e)) {
        e->code = ERR_STORE;
        return false;
    }
    if (strcmp(root->name, "ListBucketResult"))
        return fail(e, ERR_STORE, "the reply is not a listing: is endpoint-url an S3 server?");
    for (const struct xml_node *c = xml_get(root, "Contents"); c && l->n < limit; c = xml_next(c)) {
        const char *key = xml_text(c, "Key", "");
        if (!str_starts(str_of(key), l->skip) || !store_key_is_valid(key + strlen(l->skip)))
            continue; /* not ours */
        MEM_GROW(l->keys, l->n, l->cap);
        l->keys[l->n++] = arena_strdup(a, key + strlen(l->skip));
    }
    if (strcmp(xml_text(root, "IsTruncated", "false"), "true") == 0 && l->n < limit) {
        *token = xml_text(root, "NextContinuationToken", "");
        if (!(*token)[0])
            return fail(e, ERR_STORE, "the listing goes on but has no continuation token");
    }
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool s3_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                    struct error *e)
{
    const char *own = s3_of(s)->location.prefix, *token = NULL;
    struct listing l = {.skip = own[0] ? arena_printf(a, "%s/", own) : ""};
    bool ok = true;

    for (int page = 0; ok && (page == 0 || token); page++) {
        struct s3_call c = {.s3 = s3_of(s), .method = "GET", .max_bytes = LIST_REPLY_MAX};
        s3_call_parameter(&c, "list-type", "2");
        s3_call_parameter(&c, "prefix", arena_printf(a, "%s%s", l.skip, prefix));
        if (token)
            s3_call_parameter(&c, "continuation-token", token);
        if (page == LIST_MAX_PAGES)
            ok = fail(e, ERR_STORE, "%s: the listing of %s does not end", s->url, prefix);
        ok = ok && s3_run(&c, a, e) && (read_page(c.reply.body, &l, limit, a, &token, e) || fail_in(e, "%s", s->url));
    }
    if (ok) {
        /* UTF-8 order is what AWS promises; not every store keeps it. */
        if (l.n)
            qsort(l.keys, l.n, sizeof *l.keys, by_bytes);
        *keys = ARENA_NEW(a, const char *, l.n);
        if (l.n)
            memcpy(*keys, l.keys, l.n * sizeof *l.keys);
        *n = l.n;
    }
    mem_free(l.keys);
    return ok;
}

static const struct store_backend s3_backend = {
    .close = s3_close,
    .object_url = s3_object_url,
    .get = s3_get,
    .stat = s3_stat,
    .digest = s3_digest,
    .put_file = s3_put_file,
    .get_file = s3_get_file,
    .put = s3_put,
    .remove = s3_remove,
    .list = s3_list,
    .allow_after_stop = s3_allow_after_stop,
};

/* The first that says something. */
static const char *choose(const struct store_options *o, const char *option, const char *const *names)
{
    if (option && option[0])
        return option;
    for (size_t i = 0; o->getenv && names[i]; i++) {
        const char *value = o->getenv(names[i]);
        if (value && value[0])
            return value;
    }
    return "";
}

bool s3_open(const struct store_options *o, struct store **out, struct error *e)
{
    static const char *const endpoints[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION", NULL};
    struct s3_store *s = mem_alloc(sizeof *s);
    struct s3_address at;

    s->base.backend = &s3_backend;
    s->endpoint_url = arena_strdup(&s->arena, choose(o, o->endpoint_url, endpoints));
    const char *region = choose(o, o->region, regions);
    s->region = region[0] ? arena_strdup(&s->arena, region) : "us-east-1";
    struct http_options http = {.getenv = o->getenv};
    struct credentials_options credentials = {
        .getenv = o->getenv,
        .role = o->role_to_assume,
        .audience = o->audience,
        .region = s->region,
        .endpoint_url = s3_endpoint_is_aws(s->endpoint_url) ? "" : s->endpoint_url,
    };
    bool ok = s3_parse_url(o->url, &s->arena, &s->location, e) && s3_parse_style(o->addressing_style, &s->style, e) &&
              s3_address(s->endpoint_url, s->region, s->location.bucket, s->style, &s->arena, &at, e) &&
              http_open(&http, &s->http, e) && credentials_open(&credentials, &s->credentials, e);
    if (!ok) {
        s3_close(&s->base);
        return false;
    }
    s->base.url = store_strdup(s->location.prefix[0] ? s3_object_url(&s->base, "", &s->arena)
                                                     : arena_printf(&s->arena, "s3://%s", s->location.bucket));
    size_t n = strlen(s->base.url);
    if (s->base.url[n - 1] == '/')
        s->base.url[n - 1] = 0;
    *out = &s->base;
    return true;
}
