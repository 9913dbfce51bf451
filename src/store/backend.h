/* What every kind of store implements. store.c checks keys and arguments once, then calls through this table, so a
 * back end may trust them. A store belongs to one thread at a time. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "store/lease.h"
#include "store/store.h"

#define STORE_KEY_BYTES 512 /* longest key below the prefix; S3 itself stops at 1024 with the prefix */

struct store_backend {
    void (*close)(struct store *s);
    char *(*object_url)(const struct store *s, const char *key, struct arena *a);
    /* known: "" or the etag of a copy that the caller has; then STORE_UNCHANGED is an answer. etag is never NULL. */
    bool (*get)(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                enum store_found *found, struct str *out, char etag[128], struct error *e);
    bool (*stat)(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e);
    bool (*age)(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128], struct error *e);
    /* The SHA-256 of an object that may be large. */
    bool (*digest)(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e);
    bool (*put_file)(struct store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                     struct error *e);
    bool (*get_file)(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e);
    bool (*put)(struct store *s, const char *key, struct str bytes, const char *content_type, enum store_condition when,
                const char *etag, bool *written, struct error *e);
    bool (*remove)(struct store *s, const char *key, struct error *e);
    bool (*list)(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                 struct error *e);
    /* In an atomic store: is put_file with only_if_absent atomic too, for a file of that size? NULL = always. */
    bool (*guards_new_file)(const struct store *s, uint64_t size_bytes);
    /* One process at a time, as store/lock.h says. NULL = by the lease. */
    bool (*lock)(struct store *s, struct error *e);
    bool (*lock_keep)(struct store *s, bool *held, struct error *e);
    void (*unlock)(struct store *s);
    bool (*clear)(struct store *s, struct error *e); /* store_clear: what is no object, before the objects */
    void (*tidy)(struct store *s); /* once a run, before writing; NULL = nothing to do */
    void (*allow_after_stop)(struct store *s, double seconds); /* NULL = nothing to do */
};

enum store_guarantee { STORE_UNPROBED, STORE_ATOMIC, STORE_BEST_EFFORT };

struct store {
    const struct store_backend *backend;
    char *url; /* owned; no secrets */
    enum store_guarantee guarantee;
    struct lease lease; /* of a back end without a lock of its own */
    double stale_s;     /* 0 = LEASE_STALE_S */
    char *actor;        /* owned; who moves latest.json, for history.jsonl; NULL = nobody said */
};

/* Always false: the sentence for a file that has other bytes than its store_file says. */
bool store_file_changed(const struct store_file *f, struct error *e);

/* Makers. Each fills the common part too. */
MUST_CHECK bool dir_open(const struct store_options *o, struct store **out, struct error *e);
MUST_CHECK bool s3_open(const struct store_options *o, struct store **out, struct error *e);
MUST_CHECK bool web_open(const struct store_options *o, struct store **out, struct error *e);

/* What is_hasty means, for the makers of network stores. */
#define HASTY_TRIES 2
#define HASTY_BUDGET_SECONDS 10.0
#define HASTY_CONNECT_SECONDS 3.0
#define HASTY_STALL_SECONDS 5.0

/* A key's shape: 1 to STORE_KEY_BYTES of [A-Za-z0-9._/-], no empty component, none beginning with '.'. */
bool store_key_is_valid(const char *key);
/* The store turned out to lack conditional writes ("ignores them"): a warning, once a run. */
void store_degrade(struct store *s, const char *why);
char *store_strdup(const char *s); /* heap, mem_free */

#endif
