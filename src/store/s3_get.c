#include "store/s3_get.h"

#include <stdio.h>

#include "store/download.h"

bool s3_get(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a, enum store_found *found,
            struct str *out, char etag[128], struct error *e)
{
    struct s3_call c = {.s3 = s3_of(s), .method = "GET", .key = key, .max_bytes = max_bytes, .absent_is_fine = true};

    if (known[0]) {
        c.is_conditional = true;
        s3_call_header(&c, "If-None-Match", known);
    }
    if (!s3_run(&c, a, e))
        return false;
    if (c.reply.status == 404)
        return true;
    if (c.reply.status == 412 || c.reply.status == 501) /* a server without conditional reads */
        return s3_get(s, key, "", max_bytes, a, found, out, etag, e);
    *found = c.reply.status == 304 ? STORE_UNCHANGED : STORE_PRESENT;
    *out = c.reply.body;
    snprintf(etag, 128, "%s", *found == STORE_UNCHANGED ? known : "");
    download_read_etag(&c.reply, etag);
    return true;
}

struct s3_download {
    struct s3_store *s3;
    const char *key;
    char etag[128]; /* of the object that the sink holds the beginning of; "" = not known */
};

static bool fetch(void *ctx, FILE *sink, struct error *e)
{
    struct s3_download *d = ctx;
    struct arena a = {0};
    struct s3_call c = {.s3 = d->s3, .method = "GET", .key = d->key, .absent_is_fine = true, .sink = sink, .etag = d->etag};
    bool ok = s3_run(&c, &a, e);

    download_read_etag(&c.reply, d->etag);
    if (ok && c.reply.status == 404)
        ok = fail(e, ERR_STORE, "%s: %s does not exist", d->s3->base.url, d->key);
    arena_free(&a);
    return ok;
}

bool s3_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e)
{
    struct s3_download source = {.s3 = s3_of(s), .key = key};
    struct download d = {.store = s, .key = key, .path = path, .sha256 = sha256, .fetch = fetch, .ctx = &source};
    return download(&d, e);
}
