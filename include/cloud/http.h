/* HTTP, one attempt at a time, on libcurl (the only file that includes it is src/cloud/http.c). Retries are one layer
 * above, in cloud/retry.h, because a signed request must be signed anew for each attempt.
 *
 * Always: TLS verified, no redirect followed (libcurl would hand x-amz-security-token to the other host), the path sent
 * byte for byte, a new connection after any failure, an abort when a stop is requested. Plain http:// is refused but
 * for loopback, the hosts named in RETRAIN_ALLOW_HTTP (comma separated) and the cloud's metadata addresses.
 *
 * A struct http keeps its connections and belongs to one thread at a time. */
#ifndef CLOUD_HTTP_H
#define CLOUD_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/str.h"

struct http; /* opaque */

typedef const char *(*http_getenv_fn)(const char *name); /* empty counts as unset */

struct http_options {
    http_getenv_fn getenv;    /* AWS_CA_BUNDLE, RETRAIN_ALLOW_HTTP, RETRAIN_STALL_TIMEOUT ("30s") */
    double connect_seconds;   /* 0 = 10 */
    double stall_seconds;     /* without RETRAIN_STALL_TIMEOUT; 0 = 30 */
    double total_seconds;     /* for a whole request; 0 = as long as it moves */
    const char *ca_file;      /* NULL or "" = AWS_CA_BUNDLE, else the system's */
    bool is_metadata_service; /* link-local addresses: plain http, no proxy, at most 2 seconds in all */
};

MUST_CHECK bool http_open(const struct http_options *o, struct http **out, struct error *e);
void http_close(struct http *h); /* NULL is fine */
/* After a stop, requests end at once; this lets them go on until so many seconds from now. */
void http_allow_after_stop(struct http *h, double seconds);
bool http_may_go_on(const struct http *h);

struct http_header {
    const char *name, *value;
};

#define HTTP_MAX_HEADERS 32

struct http_request {
    const char *method, *url;
    struct http_header headers[HTTP_MAX_HEADERS]; /* values without CR or LF; Content-Length is set from the body */
    size_t n_headers;
    struct str body;       /* used when body_path is NULL */
    const char *body_path; /* body_bytes of this file, from body_offset on */
    uint64_t body_offset, body_bytes;
    const uint8_t *body_sha256; /* not NULL: if those bytes hash to anything else, the last of them is never sent */
    size_t max_bytes; /* ceiling of a 2xx reply that is kept in memory; 0 = 64 KiB. Longer is an error */
    FILE *sink;       /* not NULL: the body of a 2xx reply goes here, others to memory */
    uint64_t sink_from; /* bytes of the sink that stay when the reply is a 206 from there on; a 200 replaces them */
    uint64_t max_sink_bytes; /* ceiling for that; 0 = none */
    unsigned patience; /* so many stall time-outs may pass without a byte; 0 = 1. For what a server ponders on */
};
void http_add_header(struct http_request *r, const char *name, const char *value); /* borrowed */

struct http_response {
    int status;       /* 0 = no reply: the error says why */
    bool unreachable; /* refused or unresolvable, and never reached before: a few tries are enough */
    struct str body;  /* in the arena */
    uint64_t n_bytes; /* of the body, wherever it went */
    uint8_t sha256[SHA256_BYTES]; /* of a body that went to the sink, this reply's part of it */
    struct str headers;           /* in the arena: the raw lines of the last reply */
};

/* One attempt. True whenever a whole reply came, whatever its status. False: ERR_NET (a retry may help), ERR_STORE (not:
 * TLS, address, local file), ERR_STOPPED. */
MUST_CHECK bool http_send(struct http *h, const struct http_request *r, struct arena *a, struct http_response *out,
                          struct error *e);
/* The first header of that name, any case; the empty view when there is none. */
struct str http_header(const struct http_response *r, const char *name);

#endif
