/* One signed S3 request with everything that may be corrected on the way: region, clock, expired session, trouble. */
#ifndef STORE_S3_REQUEST_H
#define STORE_S3_REQUEST_H

#include "cloud/credentials.h"
#include "cloud/retry.h"
#include "cloud/sigv4.h"
#include "store/backend.h"
#include "store/s3_address.h"
#include "store/s3_error.h"

struct s3_store {
    struct store base; /* first: a struct store * is cast to this */
    struct arena arena;
    struct s3_location location;
    const char *endpoint_url; /* "" = AWS */
    const char *region;       /* corrected when the server tells a better one */
    enum s3_style style;
    struct http *http;
    struct credentials *credentials;
    double skew_s;           /* server's clock minus ours, once it mattered */
    bool has_no_conditions; /* answered 501 to one */
    bool has_no_match;      /* refuses every If-Match (radosgw in a versioned bucket) */
    bool wants_bare_etags;  /* matches If-Match only without its quotes (radosgw) */
};

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
    FILE *sink;
    bool is_conditional; /* 304, 404, 409 -> later, 412 and 501 are answers */
    bool absent_is_fine; /* 404 is an answer, unless the bucket is missing */

    /* out */
    struct http_response reply;
    int n_attempts;
    bool region_corrected, clock_corrected, session_renewed;
};
void s3_call_header(struct s3_call *c, const char *name, const char *value);
void s3_call_parameter(struct s3_call *c, const char *name, const char *value);

/* True for a 2xx and for the statuses that the call counts as answers. */
MUST_CHECK bool s3_run(struct s3_call *c, struct arena *a, struct error *e);

#endif
