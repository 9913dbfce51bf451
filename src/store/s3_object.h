/* Questions about one object in a bucket. */
#ifndef STORE_S3_OBJECT_H
#define STORE_S3_OBJECT_H

#include "store/s3_request.h"

#define S3_META_SHA256 "x-amz-meta-sha256" /* what our uploads carry; ETags are not portable (reference: not even on AWS) */

/* HEAD. c->reply holds the answer's headers. */
MUST_CHECK bool s3_head(struct s3_call *c, struct s3_store *s, const char *key, struct arena *a, enum store_found *found,
                        struct error *e);
MUST_CHECK bool s3_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e);
MUST_CHECK bool s3_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e);
/* The reply's Date less its Last-Modified: both are the server's. */
MUST_CHECK bool s3_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128],
                       struct error *e);
/* Is this object that file, by size and SHA-256? */
MUST_CHECK bool s3_is_file(struct s3_store *s, const char *key, const struct store_file *f, bool *is_it, struct error *e);

#endif
