#include "store/s3_address.h"

#include <ctype.h>
#include <string.h>

#include "cloud/sigv4.h"
#include "cloud/url.h"
#include "core/str.h"

#define PREFIX_MAX_BYTES 400 /* with the longest key below it this stays under S3's 1024 */

/* Names as old buckets and other stores have them too: upper case and '_' are theirs to judge. */
static bool bucket_is_valid(struct str b)
{
    for (size_t i = 0; i < b.n; i++) {
        unsigned char c = (unsigned char)b.p[i];
        if (!isalnum(c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return b.n >= 3 && b.n <= 255 && isalnum((unsigned char)b.p[0]);
}

static bool prefix_is_valid(struct str p)
{
    struct str rest = p, part;
    if (p.n > PREFIX_MAX_BYTES || (p.n && !str_is_utf8(p)))
        return false;
    for (size_t i = 0; i < p.n; i++) {
        if ((unsigned char)p.p[i] < ' ' || p.p[i] == 0x7f)
            return false;
    }
    while (str_cut(&rest, '/', &part)) {
        if (part.n == 0 || str_is(part, ".") || str_is(part, ".."))
            return false;
    }
    return true;
}

bool s3_parse_url(const char *url, struct arena *a, struct s3_location *out, struct error *e)
{
    struct str rest = str_slice(str_of(url), strlen("s3://"), SIZE_MAX), bucket = {0};

    str_cut(&rest, '/', &bucket);
    while (rest.n && rest.p[0] == '/')
        rest = str_slice(rest, 1, rest.n);
    while (rest.n && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (!bucket_is_valid(bucket))
        return fail(e, ERR_CONFIG, "store: \"%.200s\" names no usable bucket: write s3://bucket/prefix", url);
    if (!prefix_is_valid(rest))
        return fail(e, ERR_CONFIG, "store: the prefix in \"%.200s\" holds an empty, \".\" or \"..\" part or is too long", url);
    out->bucket = str_dup(a, bucket);
    out->prefix = str_dup(a, rest);
    return true;
}

bool s3_parse_style(const char *text, enum s3_style *out, struct error *e)
{
    struct str s = str_of(text);
    if (s.n == 0 || str_is(s, "auto"))
        *out = S3_AUTO;
    else if (str_is(s, "path"))
        *out = S3_PATH;
    else if (str_is(s, "virtual"))
        *out = S3_VIRTUAL;
    else
        return fail(e, ERR_CONFIG, "addressing-style: \"%.40s\" is none of auto, path, virtual", text);
    return true;
}

static bool host_is_aws(const char *host)
{
    return str_ends(str_of(host), ".amazonaws.com") || str_ends(str_of(host), ".amazonaws.com.cn");
}

bool s3_endpoint_is_aws(const char *endpoint_url)
{
    struct arena a = {0};
    struct url u;
    struct error ignored;
    bool is_aws = !endpoint_url[0] || (url_parse(endpoint_url, "endpoint-url", &a, &u, &ignored) && host_is_aws(u.host));
    arena_free(&a);
    return is_aws;
}

const char *s3_first_region(const char *region, const char *endpoint_url)
{
    bool is_unknown = !region[0] || (strcmp(region, "auto") == 0 && s3_endpoint_is_aws(endpoint_url));
    return is_unknown ? "us-east-1" : region;
}

/* A name that DNS takes too, so that it can stand before the endpoint's host. */
static bool bucket_is_host_name(const char *bucket, bool may_have_dots)
{
    for (const char *c = bucket; *c; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-' && !(may_have_dots && *c == '.'))
            return false;
    }
    return strlen(bucket) <= 63;
}

static bool check_virtual(const char *bucket, const struct url *u, struct error *e)
{
    if (url_host_is_address(u->host))
        return fail(e, ERR_CONFIG, "addressing-style: virtual needs a host name in endpoint-url, not the address %s", u->host);
    if (!bucket_is_host_name(bucket, true) || strlen(bucket) + strlen(u->host) > 252)
        return fail(e, ERR_CONFIG, "addressing-style: the bucket's name %s cannot be part of a host name: use path", bucket);
    return true;
}

bool s3_address(const char *endpoint_url, const char *region, const char *bucket, enum s3_style style, struct arena *a,
                struct s3_address *out, struct error *e)
{
    struct url u;
    bool is_china = str_starts(str_of(region), "cn-");

    for (const char *c = region; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-')
            return fail(e, ERR_CONFIG, "region: \"%.60s\" is not a region's name", region);
    }
    const char *endpoint = endpoint_url[0] ? endpoint_url
                                           : arena_printf(a, "https://s3.%s.amazonaws.com%s", region, is_china ? ".cn" : "");
    if (!url_parse(endpoint, "endpoint-url", a, &u, e))
        return false;
    if (strpbrk(u.path, "?#"))
        return fail(e, ERR_CONFIG, "endpoint-url: \"%.200s\" holds a query or fragment", endpoint);
    struct str path = str_of(u.path);
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;

    if (style == S3_AUTO)
        style = host_is_aws(u.host) && bucket_is_host_name(bucket, false) ? S3_VIRTUAL : S3_PATH;
    if (style == S3_VIRTUAL && !check_virtual(bucket, &u, e))
        return false;
    out->authority = style == S3_VIRTUAL ? arena_printf(a, "%s.%s", bucket, u.authority) : u.authority;
    out->base = arena_printf(a, "%s://%s", u.is_https ? "https" : "http", out->authority);
    out->root = style == S3_VIRTUAL ? sigv4_encode(path, true, a)
                                    : arena_printf(a, "%s/%s", sigv4_encode(path, true, a), bucket);
    return true;
}
