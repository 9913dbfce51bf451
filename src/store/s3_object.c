#include "store/s3_object.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "store/download.h"

bool s3_head(struct s3_call *c, struct s3_store *s, const char *key, struct arena *a, enum store_found *found,
             struct error *e)
{
    *c = (struct s3_call){.s3 = s, .method = "HEAD", .key = key, .absent_is_fine = true};
    if (!s3_run(c, a, e))
        return false;
    *found = c->reply.status == 404 ? STORE_ABSENT : STORE_PRESENT;
    return true;
}

static bool size_of(const struct s3_call *c, uint64_t *size_bytes, struct error *e)
{
    return str_to_uint64(http_header(&c->reply, "Content-Length"), size_bytes) ||
           fail(e, ERR_STORE, "%s: HEAD %s: the reply has no Content-Length", c->s3->base.url, c->key);
}

bool s3_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    bool ok = s3_head(&c, s3_of(s), key, &a, found, e) && (*found == STORE_ABSENT || size_of(&c, size_bytes, e));

    arena_free(&a);
    return ok;
}

bool s3_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128], struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    time_t now = 0, written = 0;
    bool ok = s3_head(&c, s3_of(s), key, &a, found, e);

    if (ok && *found == STORE_PRESENT) {
        ok = (clock_parse_http(http_header(&c.reply, "Date"), &now) &&
              clock_parse_http(http_header(&c.reply, "Last-Modified"), &written)) ||
             fail(e, ERR_STORE, "%s: HEAD %s: the reply has no Date or no Last-Modified, so nobody can tell how old it is",
                  s->url, key);
        *age_s = fmax(0, difftime(now, written));
        download_read_etag(&c.reply, etag);
    }
    arena_free(&a);
    return ok;
}

static bool read_and_hash(struct s3_store *s, const char *key, struct arena *a, enum store_found *found,
                          uint8_t sha256[32], struct error *e)
{
    FILE *nowhere = fopen("/dev/null", "wbe");
    struct s3_call c = {.s3 = s, .method = "GET", .key = key, .sink = nowhere, .absent_is_fine = true};

    if (!nowhere)
        return fail(e, ERR_INTERNAL, "/dev/null: %s", strerror(errno));
    bool ok = s3_run(&c, a, e);
    if (ok) {
        *found = c.reply.status == 404 ? STORE_ABSENT : STORE_PRESENT;
        memcpy(sha256, c.reply.sha256, 32);
    }
    fclose(nowhere);
    return ok;
}

/* Our own uploads carry it; for others the bytes are read. */
static bool digest_of(const struct s3_call *c, struct arena *a, enum store_found *found, uint8_t sha256[32],
                      struct error *e)
{
    return hex_decode(http_header(&c->reply, S3_META_SHA256), sha256, 32) ||
           read_and_hash(c->s3, c->key, a, found, sha256, e);
}

bool s3_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    bool ok = s3_head(&c, s3_of(s), key, &a, found, e) &&
              (*found == STORE_ABSENT || digest_of(&c, &a, found, sha256, e));

    arena_free(&a);
    return ok;
}

bool s3_is_file(struct s3_store *s, const char *key, const struct store_file *f, bool *is_it, struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    enum store_found found;
    uint64_t size_bytes = 0;
    uint8_t sum[32];

    *is_it = false;
    bool ok = s3_head(&c, s, key, &a, &found, e) && (found == STORE_ABSENT || size_of(&c, &size_bytes, e));
    if (ok && found == STORE_PRESENT && size_bytes == f->size_bytes) {
        ok = digest_of(&c, &a, &found, sum, e);
        *is_it = ok && found == STORE_PRESENT && memcmp(sum, f->sha256, sizeof sum) == 0;
    }
    arena_free(&a);
    return ok;
}
