/* A public bucket behind a plain web address, read only: objects by their keys below it, no credentials, no listing.
 * Redirects are followed (CDNs and object stores use them), a few, and never from https to http. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cloud/retry.h"
#include "cloud/url.h"
#include "core/log.h"
#include "store/backend.h"
#include "store/download.h"

#define REDIRECTS_MAX 5

struct web_store {
    struct store base; /* first: a struct store * is cast to this; its url has no slash at the end */
    struct http *http;
    int max_tries;   /* 0 = as usual */
    double budget_s; /* the same */
};

struct web_call {
    struct web_store *web;
    const char *method, *key;
    const char *known; /* etag of the caller's copy, "" = none */
    size_t max_bytes;
    FILE *sink;
    char *etag; /* [128] of what the sink holds the beginning of; with a sink only */
    const char *url;
    int n_redirects;

    struct http_response reply; /* out */
};

static struct web_store *web_of(const struct store *s)
{
    return (struct web_store *)s;
}

static void web_close(struct store *s)
{
    http_close(web_of(s)->http);
    mem_free(s);
}

static char *web_object_url(const struct store *s, const char *key, struct arena *a)
{
    return arena_printf(a, "%s/%s", s->url, key);
}

static void web_allow_after_stop(struct store *s, double seconds)
{
    http_allow_after_stop(web_of(s)->http, seconds);
}

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    struct web_call *c = ctx;
    (void)e;

    r->method = c->method;
    r->url = c->url;
    r->max_bytes = c->max_bytes;
    r->sink = c->sink;
    if (c->known[0])
        http_add_header(r, "If-None-Match", c->known);
    if (c->sink)
        download_go_on(r, &c->reply, c->etag, a);
    return true;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static enum retry_kind follow(struct web_call *c, const struct http_response *reply, struct arena *a, struct error *e)
{
    struct str location = http_header(reply, "Location");
    const char *to = url_resolve(c->url, location, a);

    if (++c->n_redirects > REDIRECTS_MAX)
        fail(e, ERR_STORE, "%s: %s leads from one address to the next, more than %d times", c->web->base.url, c->key,
             REDIRECTS_MAX);
    else if (!to)
        fail(e, ERR_STORE, "%s: %s: HTTP %d leads nowhere (Location: \"" STR_FMT "\")", c->web->base.url, c->key,
             reply->status, STR_ARG(str_slice(location, 0, 200)));
    else if (str_starts(str_of(c->url), "https://") && !str_starts(str_of(to), "https://"))
        fail(e, ERR_STORE, "%s: %s leads to an address without encryption, %.200s: not followed", c->web->base.url, c->key,
             to);
    else {
        log_debug("%s leads to %s", c->url, to);
        c->url = to;
        return RETRY_NOW;
    }
    return RETRY_NEVER;
}

static const char *advice(int status)
{
    switch (status) {
    case 401:
    case 403:
        return ": it is not public, or not there; for a private bucket use s3://bucket/prefix";
    case 416:
        return ": shorter than what was fetched of it before";
    default:
        return status / 100 == 5 ? "" : ": is the address right?";
    }
}

static enum retry_kind judge(void *ctx, const struct http_response *reply, struct arena *a, struct error *e)
{
    struct web_call *c = ctx;
    int status = reply->status;

    if (status / 100 == 2 || status == 404 || status == 410 || (status == 304 && c->known[0]))
        return RETRY_DONE;
    if (is_redirect(status))
        return follow(c, reply, a, e);
    enum retry_kind kind = retry_classify(status, status == 408 ? "RequestTimeout" : "");
    fail(e, kind == RETRY_LATER ? ERR_NET : ERR_STORE, "%s: %s %s: HTTP %d%s", c->web->base.url, c->method, c->key, status,
         advice(status));
    return kind;
}

static bool run(struct web_call *c, struct arena *a, enum store_found *found, struct error *e)
{
    const char *base = c->web->base.url;
    struct retry retry = {.prepare = prepare, .judge = judge, .ctx = c, .max_tries = c->web->max_tries,
                          .budget_s = c->web->budget_s};

    c->url = web_object_url(&c->web->base, c->key, a);
    c->known = c->known ? c->known : "";
    bool ok = retry_run(&retry, c->web->http, a, &c->reply, e);
    if (ok)
        *found = c->reply.status / 100 == 2 ? STORE_PRESENT : c->reply.status == 304 ? STORE_UNCHANGED : STORE_ABSENT;
    else if (!strstr(e->message, base)) /* errors of the connection do not know whose request it was */
        fail_in(e, "%s: %s %s", base, c->method, c->key);
    if (!ok && e->code == ERR_CONFIG && c->n_redirects)
        e->code = ERR_STORE; /* it was the server that named this address */
    return ok;
}

static bool web_get(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                    enum store_found *found, struct str *out, char etag[128], struct error *e)
{
    struct web_call c = {.web = web_of(s), .method = "GET", .key = key, .known = known, .max_bytes = max_bytes};

    if (!run(&c, a, found, e))
        return false;
    if (*found == STORE_PRESENT)
        *out = c.reply.body;
    if (*found != STORE_ABSENT) {
        snprintf(etag, 128, "%s", *found == STORE_UNCHANGED ? known : "");
        download_read_etag(&c.reply, etag);
    }
    return true;
}

static bool web_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e)
{
    struct arena a = {0};
    struct web_call c = {.web = web_of(s), .method = "HEAD", .key = key};
    bool ok = run(&c, &a, found, e);

    if (ok && *found == STORE_PRESENT && !str_to_uint64(http_header(&c.reply, "Content-Length"), size_bytes))
        ok = fail(e, ERR_STORE, "%s: HEAD %s: the reply has no Content-Length", s->url, key);
    arena_free(&a);
    return ok;
}

struct web_download {
    struct web_store *web;
    const char *key;
    char etag[128]; /* of the object that the sink holds the beginning of; "" = not known */
};

static bool fetch(void *ctx, FILE *sink, struct error *e)
{
    struct web_download *d = ctx;
    struct arena a = {0};
    enum store_found found;
    struct web_call c = {.web = d->web, .method = "GET", .key = d->key, .sink = sink, .etag = d->etag};
    bool ok = run(&c, &a, &found, e);

    download_read_etag(&c.reply, d->etag);
    if (ok && found != STORE_PRESENT)
        ok = fail(e, ERR_STORE, "%s: %s does not exist", d->web->base.url, d->key);
    arena_free(&a);
    return ok;
}

static bool web_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e)
{
    struct web_download source = {.web = web_of(s), .key = key};
    struct download d = {.store = s, .key = key, .path = path, .sha256 = sha256, .fetch = fetch, .ctx = &source};
    return download(&d, e);
}

static bool web_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    char etag[128] = "";
    FILE *nowhere = fopen("/dev/null", "wbe");
    struct web_call c = {.web = web_of(s), .method = "GET", .key = key, .sink = nowhere, .etag = etag};
    bool ok = nowhere ? run(&c, &a, found, e) : fail(e, ERR_INTERNAL, "/dev/null cannot be opened");

    if (ok)
        memcpy(sha256, c.reply.sha256, SHA256_BYTES);
    if (nowhere)
        fclose(nowhere);
    arena_free(&a);
    return ok;
}

static bool refuse(const struct store *s, const char *what, struct error *e)
{
    return fail(e, ERR_CONFIG, "%s: a plain web address is read only and cannot be listed, so there is no %s: name the store as "
                               "s3://bucket/prefix",
                s->url, what);
}

static bool web_put_file(struct store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                         struct error *e)
{
    (void)key, (void)f, (void)only_if_absent, (void)written;
    return refuse(s, "writing", e);
}

static bool web_put(struct store *s, const char *key, struct str bytes, const char *content_type, enum store_condition when,
                    const char *etag, bool *written, struct error *e)
{
    (void)key, (void)bytes, (void)content_type, (void)when, (void)etag, (void)written;
    return refuse(s, "writing", e);
}

static bool web_remove(struct store *s, const char *key, struct error *e)
{
    (void)key;
    return refuse(s, "removing", e);
}

static bool web_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128],
                    struct error *e)
{
    (void)key, (void)found, (void)age_s, (void)etag;
    return refuse(s, "lease", e); /* what ages are for */
}

static bool web_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                     struct error *e)
{
    (void)prefix, (void)limit, (void)a, (void)keys, (void)n;
    return refuse(s, "list of versions", e);
}

static const struct store_backend web_backend = {
    .close = web_close,
    .object_url = web_object_url,
    .get = web_get,
    .stat = web_stat,
    .age = web_age,
    .digest = web_digest,
    .put_file = web_put_file,
    .get_file = web_get_file,
    .put = web_put,
    .remove = web_remove,
    .list = web_list,
    .allow_after_stop = web_allow_after_stop,
};

bool web_open(const struct store_options *o, struct store **out, struct error *e)
{
    struct arena a = {0};
    struct http_options http = {.getenv = o->getenv};
    struct http *connection = NULL;
    struct url u;
    bool ok = url_parse(o->url, "store", &a, &u, e);

    if (ok && strpbrk(u.path, "?#"))
        ok = fail(e, ERR_CONFIG, "store: \"%.200s\": the web address of a store has no '?' and no '#'", o->url);
    if (o->is_hasty) {
        http.connect_seconds = HASTY_CONNECT_SECONDS;
        http.stall_seconds = HASTY_STALL_SECONDS;
    }
    ok = ok && http_open(&http, &connection, e);
    if (ok) {
        struct web_store *w = mem_alloc(sizeof *w);
        const char *path = u.path[0] ? u.path : "";
        size_t n = strlen(path);
        while (n && path[n - 1] == '/')
            n--;
        w->base.backend = &web_backend;
        w->base.url = store_strdup(arena_printf(&a, "%s://%s%.*s", u.is_https ? "https" : "http", u.authority, (int)n, path));
        w->http = connection;
        w->max_tries = o->is_hasty ? HASTY_TRIES : 0;
        w->budget_s = o->is_hasty ? HASTY_BUDGET_SECONDS : 0;
        *out = &w->base;
    }
    arena_free(&a);
    return ok;
}
