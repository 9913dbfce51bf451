/* One signed S3 request with everything that may be corrected on the way: region, clock, expired session, trouble. */
#ifndef STORE_S3_REQUEST_H
#define STORE_S3_REQUEST_H

#include <pthread.h>

#include "cloud/credentials.h"
#include "cloud/retry.h"
#include "cloud/sigv4.h"
#include "store/backend.h"
#include "store/s3_address.h"
#include "store/s3_error.h"

#define S3_LANES 4
#define MD5_BASE64 25
#define S3_OCTETS "application/octet-stream"

struct s3_store {
    struct store base; /* first: a struct store * is cast to this */
    struct s3_location location;
    const char *endpoint_url; /* "" = AWS */
    enum s3_style style;
    /* One connection per thread: [0] for all requests but those of a multipart upload's other workers, which are made
     * when they are first needed. */
    struct http *http[S3_LANES];
    struct http_options http_options;
    double stop_deadline; /* for the lanes that are made after store_allow_after_stop */
    uint64_t part_bytes;  /* larger files than a few of these are uploaded in parts */

    /* What requests correct for each other, workers too; a request holds the lock while it signs and while it judges. */
    pthread_mutex_t lock;
    struct arena arena;
    const char *region; /* corrected when the server tells a better one */
    double skew_s;      /* server's clock minus ours, once it mattered */
    struct credentials *credentials;
    int max_tries;   /* of each request that says nothing else; 0 = as usual */
    double budget_s; /* of each request's tries; 0 = as usual */

    bool has_no_conditions; /* answered 501 to one */
    bool has_no_match;      /* refuses every If-Match (radosgw in a versioned bucket) */
    bool wants_bare_etags;  /* matches If-Match only without its quotes (radosgw) */
    bool has_no_multipart;  /* answered 501 to it */
    bool wants_md5;         /* refuses what has no Content-MD5: a bucket whose objects are locked by default, on AWS */
};

struct s3_store *s3_of(const struct store *s);
/* Makes sure that lanes 0..n-1 have a connection. */
MUST_CHECK bool s3_open_lanes(struct s3_store *s, int n, struct error *e);

struct s3_call {
    struct s3_store *s3;
    const char *method;
    const char *key; /* below the prefix; NULL = the bucket itself */
    struct sigv4_parameter parameters[8];
    size_t n_parameters;
    struct http_header headers[4]; /* signed too */
    size_t n_headers;
    struct str body;
    const char *body_path; /* or a range of a file: see http.h */
    uint64_t body_offset, body_bytes;
    const uint8_t *body_sha256;
    const char *payload_sha256; /* NULL = of `body` */
    size_t max_bytes;
    FILE *sink; /* what it holds is the beginning of the object and is not asked for again */
    char *etag; /* with a sink: [128], the etag of the object that this beginning is of; "" = not known */
    bool is_conditional; /* 304, 404, 409 -> later, 412 and 501 are answers */
    bool absent_is_fine; /* 404 is an answer, unless the bucket is missing */
    const char *const *answers; /* error codes that are answers too; NULL-terminated; may be NULL */
    int lane;            /* of the worker that sends it; 0 = the store's own thread */
    int max_tries;       /* 0 = the store's */
    unsigned patience;   /* see http.h */

    /* out */
    struct http_response reply;
    char code[64]; /* of the last reply, when that was an <Error>, whatever its status; else "" */
    int n_attempts;
    bool region_corrected, clock_corrected, session_renewed;
    char md5[MD5_BASE64]; /* "" = not sent */

    /* What the attempt was signed with: another worker may have corrected it meanwhile. */
    const char *signed_region;
    double signed_skew_s;
    char *signed_token; /* owned, wiped by s3_run; NULL = none */
};
void s3_call_header(struct s3_call *c, const char *name, const char *value);
void s3_call_parameter(struct s3_call *c, const char *name, const char *value);

/* True for a 2xx and for the statuses that the call counts as answers. */
MUST_CHECK bool s3_run(struct s3_call *c, struct arena *a, struct error *e);

#endif
