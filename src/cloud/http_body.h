/* The bytes of a request on their way out, from memory or from a file that may change meanwhile; needs nothing of libcurl. */
#ifndef CLOUD_HTTP_BODY_H
#define CLOUD_HTTP_BODY_H

#include "cloud/http.h"

struct http_body {
    const struct http_request *request;
    FILE *file;       /* NULL = request->body */
    uint64_t at;      /* bytes sent so far */
    struct sha256 hash; /* of them */
    bool has_changed; /* the file is not what request->body_sha256 says, or became shorter */
};

/* ERR_STORE names the file. Close it in any case. */
MUST_CHECK bool http_body_open(struct http_body *b, const struct http_request *r, struct error *e);
void http_body_close(struct http_body *b);
uint64_t http_body_size(const struct http_body *b); /* bytes in all */
bool http_body_rewind(struct http_body *b);
/* The next n bytes at most; *n = 0 at the end. False: has_changed, or errno says why. A file that is found changed never
 * gives its last byte. */
bool http_body_read(struct http_body *b, char *p, size_t *n);

#endif
