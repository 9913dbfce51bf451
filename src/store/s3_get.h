/* Reading objects from a bucket. For the back end's table; see store.h. */
#ifndef STORE_S3_GET_H
#define STORE_S3_GET_H

#include "store/s3_request.h"

MUST_CHECK bool s3_get(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                       enum store_found *found, struct str *out, char etag[128], struct error *e);
MUST_CHECK bool s3_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e);

#endif
