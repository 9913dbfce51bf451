/* A reply that says no, made into one sentence: what was asked, of which bucket and key, the server's code and request
 * id, and what to do about it. */
#ifndef STORE_S3_ERROR_H
#define STORE_S3_ERROR_H

#include "cloud/http.h"

struct s3_reply_error {
    char code[64];        /* "NoSuchBucket"; "" when the reply has none (HEAD never has) */
    char region[64];      /* the bucket's, where the server tells it */
    char request_id[160]; /* "tx0001" or "ABC/host id" */
    bool wants_md5;       /* the request lacked a Content-MD5 */
};
/* Reads status, headers and XML body. A 2xx whose body is an <Error> counts as one: *is_error. */
void s3_read_error(const struct http_response *r, struct s3_reply_error *out, bool *is_error);

struct s3_error_place {
    const char *store_url; /* s3://bucket/prefix */
    const char *method;    /* GET, PUT, HEAD, DELETE; LIST for a listing */
    const char *key;       /* below the prefix; "" for a listing */
    const char *bucket;
    const char *endpoint;
    const char *credentials; /* where they come from */
    const char *why_anonymous;
};
/* Always false. */
bool s3_fail(struct error *e, enum error_code code, const struct s3_error_place *p, int status,
             const struct s3_reply_error *r);

#endif
