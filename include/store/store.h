/* The model store: a small set of operations that every kind of store can do, and the publish protocol on top.
 *
 * https:// stores are read only: writing and listing fail with ERR_CONFIG.
 *
 * Keys are relative to the store's prefix, '/' separated, ASCII letters, digits and "-._". All failures are
 * ERR_STORE (final) or ERR_NET (retries were spent); messages name the store, the key, the request id where there is
 * one and the cure. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

struct store; /* opaque; made by store_open; belongs to one thread at a time */

struct store_options {
    const char *url;              /* "s3://bucket/prefix", "file://folder" (relative to workspace), "https://host/prefix" */
    const char *workspace;        /* for relative file:// folders */
    const char *endpoint_url;     /* NULL or "" = from the environment or the profile, else AWS */
    const char *region;           /* NULL or "" = from the environment or the profile, else us-east-1 */
    const char *addressing_style; /* "auto", "path", "virtual" */
    const char *role_to_assume, *audience;
    bool is_anonymous;            /* asks for no credentials */
    int role_seconds;             /* a session of that role; 0 = the service's default */
    const char *(*getenv)(const char *name); /* the environment, passed in; empty counts as unset */
    bool is_hasty; /* two tries and short time-outs: for callers that have something to fall back to */
};

MUST_CHECK bool store_open(const struct store_options *o, struct store **out, struct error *e);
void store_close(struct store *s);        /* wipes credentials; NULL is fine */
const char *store_url(const struct store *s); /* without secrets, for messages */
/* The object's address for people and programs: "s3://bucket/prefix/key", "file:///abs/folder/key" or an https one. */
char *store_object_url(const struct store *s, const char *key, struct arena *a);

enum store_found { STORE_ABSENT, STORE_PRESENT, STORE_UNCHANGED /* of conditional reads only */ };

/* Whole small objects (manifests, pointers): at most max_bytes. Absent is a result, not an error; a 403 is an error
 * that names the missing permission, never "absent". etag may be NULL. */
MUST_CHECK bool store_get(struct store *s, const char *key, size_t max_bytes, struct arena *a, enum store_found *found,
                          struct str *out, char etag[128], struct error *e);
/* The same for a caller that has a copy: STORE_UNCHANGED, and nothing read, while the object still has the etag
 * `known` ("" = no copy). etag is the object's, in every case but STORE_ABSENT; "" where the store tells none. */
MUST_CHECK bool store_get_changed(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                                  enum store_found *found, struct str *out, char etag[128], struct error *e);
MUST_CHECK bool store_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e);
/* Seconds since the object was last written, by the store's own clock, so that machines whose clocks differ agree on it;
 * an S3 server tells whole seconds. etag: of the object that is so old; one written in between makes it seem younger,
 * never older. */
MUST_CHECK bool store_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128],
                          struct error *e);
/* A local file as it was when its owner read it: the very bytes that an object shall have. */
struct store_file {
    const char *path;
    const char *content_type; /* NULL = application/octet-stream */
    uint64_t size_bytes;
    uint8_t sha256[32];
};
/* Reads the file once, to its end. `path` and content_type are borrowed. */
MUST_CHECK bool store_file_read(const char *path, const char *content_type, struct store_file *out, struct error *e);

/* Large objects, streamed to and from files. sha256 is checked on the way: if the file has other bytes by now, or
 * changes under the upload, that is ERR_STORE and the object stays what it was. A download is atomic, and verified when
 * sha256 is not NULL; one that broke goes on where it broke, in this process or a later one (store/download.h); trouble
 * with its local file is ERR_INTERNAL. */
MUST_CHECK bool store_put_file(struct store *s, const char *key, const struct store_file *f, struct error *e);
MUST_CHECK bool store_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e);
/* Like store_put_file, but leaves an object that is already there alone: *written = false. Where the store has no
 * conditional writes, another writer may still slip in between. */
MUST_CHECK bool store_put_new_file(struct store *s, const char *key, const struct store_file *f, bool *written,
                                   struct error *e);
/* Would store_put_new_file of so many bytes surely leave another writer's object alone? Not where writing is best effort,
 * and not for files that go up in parts: radosgw for one ignores the condition when it puts them together. */
MUST_CHECK bool store_guards_new_file(struct store *s, uint64_t size_bytes, bool *does, struct error *e);
/* The SHA-256 of an object, as recorded by store_put_file or by reading it. */
MUST_CHECK bool store_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e);

enum store_condition { STORE_ALWAYS, STORE_IF_ABSENT, STORE_IF_MATCH };
/* *written = false: the condition did not hold (somebody was first). Settles a lost answer by reading back. */
MUST_CHECK bool store_put(struct store *s, const char *key, struct str bytes, const char *content_type,
                          enum store_condition when, const char *etag, bool *written, struct error *e);
MUST_CHECK bool store_delete(struct store *s, const char *key, struct error *e); /* absent is success */
/* Removes all that is below the store's own prefix, which must not be a bucket's root: objects, unfinished uploads, locks,
 * temporaries, empty folders. For a throw-away store that nobody else uses any more. */
MUST_CHECK bool store_clear(struct store *s, struct error *e);
/* Keys below prefix, sorted by bytes, at most `limit`. */
MUST_CHECK bool store_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys,
                           size_t *n, struct error *e);
/* Proves write permission by writing and deleting "probe/<random>", and learns whether conditional writes hold:
 * *atomic. Called before training. */
MUST_CHECK bool store_probe(struct store *s, bool *atomic, struct error *e);
/* What store_probe learned; probes if nobody has. */
MUST_CHECK bool store_is_atomic(struct store *s, bool *atomic, struct error *e);

/* Who acts, for history.jsonl: "github https://... abc123", no secrets. Copied. */
void store_sign(struct store *s, const char *actor);

/* Network stores give up at once when a stop was requested (core/stop.h). A run that must still save its checkpoint
 * then calls this first: requests may go on until so many seconds from now. */
void store_allow_after_stop(struct store *s, double seconds);

#endif
