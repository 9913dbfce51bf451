/* Where a bucket's objects are on the network. Pure: options in, text out. */
#ifndef STORE_S3_ADDRESS_H
#define STORE_S3_ADDRESS_H

#include "core/arena.h"
#include "core/error.h"

struct s3_location {
    const char *bucket, *prefix; /* prefix without slashes at its ends; may be "" */
};
/* "s3://bucket/some/prefix". ERR_CONFIG. */
MUST_CHECK bool s3_parse_url(const char *url, struct arena *a, struct s3_location *out, struct error *e);

enum s3_style { S3_AUTO, S3_PATH, S3_VIRTUAL };
MUST_CHECK bool s3_parse_style(const char *text, enum s3_style *out, struct error *e); /* NULL, "" = auto */

struct s3_address {
    const char *base;      /* "https://bucket.s3.eu-west-1.amazonaws.com" or "http://127.0.0.1:9000": scheme and host */
    const char *authority; /* for the Host header */
    const char *root;      /* encoded path of the bucket: "" or "/bucket" or "/base/bucket" */
};
/* auto: virtual-host style on AWS unless the bucket's name has dots (the certificate covers one label) or is old and
 * holds what no host name may; else path. */
MUST_CHECK bool s3_address(const char *endpoint_url, const char *region, const char *bucket, enum s3_style style,
                           struct arena *a, struct s3_address *out, struct error *e);
bool s3_endpoint_is_aws(const char *endpoint_url); /* "" is */
/* The region to sign for first. "auto" is R2's own name; AWS has none of that name, but tells the right one when asked
 * at us-east-1. */
const char *s3_first_region(const char *region, const char *endpoint_url);

#endif
