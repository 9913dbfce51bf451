/* Writing objects into a bucket: conditions where the server has them, lost answers settled by reading back. */
#ifndef STORE_S3_PUT_H
#define STORE_S3_PUT_H

#include "store/s3_request.h"

/* For the back end's table; see store.h. */
MUST_CHECK bool s3_put(struct store *s, const char *key, struct str bytes, const char *content_type,
                       enum store_condition when, const char *etag, bool *written, struct error *e);
MUST_CHECK bool s3_put_file(struct store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                            struct error *e);
bool s3_guards_new_file(const struct store *s, uint64_t size_bytes);

#endif
