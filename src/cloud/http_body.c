#include "cloud/http_body.h"

#include <errno.h>
#include <string.h>

bool http_body_open(struct http_body *b, const struct http_request *r, struct error *e)
{
    *b = (struct http_body){.request = r};
    sha256_begin(&b->hash);
    if (!r->body_path)
        return true;
    b->file = fopen(r->body_path, "rbe");
    if (!b->file)
        return fail(e, ERR_STORE, "open %s: %s", r->body_path, strerror(errno));
    return http_body_rewind(b) || fail(e, ERR_STORE, "seek in %s: %s", r->body_path, strerror(errno));
}

void http_body_close(struct http_body *b)
{
    uint8_t ignored[SHA256_BYTES];

    sha256_end(&b->hash, ignored);
    if (b->file)
        fclose(b->file);
}

uint64_t http_body_size(const struct http_body *b)
{
    return b->request->body_path ? b->request->body_bytes : b->request->body.n;
}

bool http_body_rewind(struct http_body *b)
{
    uint8_t ignored[SHA256_BYTES];

    b->at = 0;
    sha256_end(&b->hash, ignored);
    sha256_begin(&b->hash);
    return !b->file || fseeko(b->file, (off_t)b->request->body_offset, SEEK_SET) == 0;
}

/* The file may be written to at this moment. A server has no object before it has the last byte, so that one is kept
 * back until the whole is known to be right; this also holds with servers that do not check what was signed. */
static bool read_file(struct http_body *b, char *p, size_t n)
{
    const struct http_request *r = b->request;
    uint8_t sum[SHA256_BYTES];

    if (fread(p, 1, n, b->file) < n) {
        b->has_changed = !ferror(b->file);
        return false;
    }
    b->at += n;
    if (!r->body_sha256)
        return true;
    sha256_add(&b->hash, p, n);
    if (b->at == r->body_bytes) {
        sha256_end(&b->hash, sum);
        sha256_begin(&b->hash);
        b->has_changed = memcmp(sum, r->body_sha256, sizeof sum) != 0;
    }
    return !b->has_changed;
}

bool http_body_read(struct http_body *b, char *p, size_t *n)
{
    uint64_t left = http_body_size(b) - b->at;

    if (*n > left)
        *n = (size_t)left;
    if (*n == 0)
        return true;
    if (b->file)
        return read_file(b, p, *n);
    memcpy(p, b->request->body.p + b->at, *n);
    b->at += *n;
    return true;
}
