/* A large object into a file, for every kind of store. What arrives is kept in a temporary beside the file, under a name
 * made of the object's checksum; so a download that broke goes on where it broke, in this process or a later one, and
 * never mixes two objects. Whole, verified and synced, it gets the file's name by rename: who has the old file open
 * keeps it, and nobody ever sees a part.
 *
 * Whoever downloads holds flock() on the temporary: a second process that wants the same bytes at the same time takes a
 * temporary of its own. */
#ifndef STORE_DOWNLOAD_H
#define STORE_DOWNLOAD_H

#include <stdio.h>

#include "cloud/http.h"
#include "store/store.h"

/* Brings the object to its end in `sink`, which may hold its beginning: goes on from there or starts over. On ERR_NET
 * what has arrived stays. */
typedef bool (*download_fetch_fn)(void *ctx, FILE *sink, struct error *e);

struct download {
    const struct store *store;
    const char *key;       /* for messages */
    const char *path;      /* the file */
    const uint8_t *sha256; /* NULL = not known: then a broken download is not kept */
    download_fetch_fn fetch;
    void *ctx;
};
/* The store's errors are those of `fetch`; ERR_INTERNAL is the local disk. Bytes that do not have the checksum are fetched
 * once more from the start; if they are wrong again, ERR_STORE. */
MUST_CHECK bool download(const struct download *d, struct error *e);

/* For stores on HTTP. In an attempt's preparation, after request->sink was set: asks for what the sink does not hold yet,
 * from the object with this etag only. `last` is the reply before, or zeroed. */
void download_go_on(struct http_request *request, const struct http_response *last, char etag[128], struct arena *a);
/* The reply's ETag; without one, etag stays as it is. */
void download_read_etag(const struct http_response *reply, char etag[128]);

#endif
