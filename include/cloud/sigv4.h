/* AWS Signature Version 4 in the Authorization header, as a pure function: time and keys are passed in, every stage is
 * handed back, so that the published vectors can be compared stage by stage.
 * Source: "AWS Signature Version 4 for API requests" (AWS General Reference), and for S3 "Signature Calculations for
 * the Authorization Header". Why not libcurl's own signer: docs/dependencies.md.
 *
 * S3's special rule, the path is encoded once and never normalised, is the caller's doing: path and query come here in
 * the very form in which they are sent. */
#ifndef CLOUD_SIGV4_H
#define CLOUD_SIGV4_H

#include <time.h>

#include "cloud/http.h"

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *region, *service;
};

struct sigv4_request {
    const char *method;
    const char *path;  /* sigv4_encode'd, beginning with '/' */
    const char *query; /* sigv4_query's result; "" for none */
    const struct http_header *headers; /* all that shall be signed: host, x-amz-date, every other x-amz-*, ... */
    size_t n_headers;
    const char *payload_sha256; /* 64 hex digits */
};

/* All in the arena. */
struct sigv4 {
    const char *canonical_request, *string_to_sign;
    char signature[65];
    const char *authorization; /* the header's value */
};

void sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, time_t now, struct arena *a, struct sigv4 *out);

#define SIGV4_DATE 17 /* "20130524T000000Z" and a NUL */
void sigv4_date(time_t t, char out[SIGV4_DATE]);

/* Escapes all but A-Z a-z 0-9 - . _ ~ as %XX, upper case; keeps '/' when told (paths). */
char *sigv4_encode(struct str s, bool keep_slash, struct arena *a);

struct sigv4_parameter {
    struct str name, value; /* not encoded */
};
/* "a=1&b=": encoded, sorted by name, then value. */
char *sigv4_query(const struct sigv4_parameter *p, size_t n, struct arena *a);

#endif
