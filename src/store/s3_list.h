/* Listings: ListObjectsV2, page by page. */
#ifndef STORE_S3_LIST_H
#define STORE_S3_LIST_H

#include "store/s3_request.h"

struct s3_listing {
    const char **keys; /* below the store's prefix, in the arena; the table itself is mem_free'd by the caller */
    size_t n, cap;
    const char *skip; /* the store's prefix with its slash */
};
/* Adds the keys of one reply, up to `limit` in all, that retrain could have written. *token: what the next request has
 * to name, in the arena; NULL = that was the last page. ERR_STORE. */
MUST_CHECK bool s3_read_page(struct str body, struct s3_listing *l, size_t limit, struct arena *a, const char **token,
                             struct error *e);

/* The back end's operation. */
MUST_CHECK bool s3_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                        struct error *e);

#endif
