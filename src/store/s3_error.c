#include "store/s3_error.h"

#include <stdio.h>
#include <string.h>

#include "core/xml.h"

static void copy_text(char *to, size_t n, struct str from)
{
    size_t k = 0;
    for (size_t i = 0; i < from.n && k + 1 < n; i++) {
        unsigned char c = (unsigned char)from.p[i];
        if (c > ' ' && c < 0x7f)
            to[k++] = (char)c;
    }
    to[k] = 0;
}

void s3_read_error(const struct http_response *r, struct s3_reply_error *out, bool *is_error)
{
    struct arena a = {0};
    struct xml_node *root;
    struct error ignored;
    char id[96], id2[96];
    struct str body = str_trim(r->body);

    memset(out, 0, sizeof *out);
    *is_error = r->status / 100 != 2;
    /* "<?xml" or "<Error": listings are parsed by who asked for them, so only look at what may be an error. */
    bool may_be_error = body.n && body.p[0] == '<' && (*is_error || body.n < 4096);
    if (may_be_error && xml_parse(body, "reply", &a, &root, &ignored)) {
        if (strcmp(root->name, "Error") == 0) {
            *is_error = true;
            copy_text(out->code, sizeof out->code, str_of(xml_text(root, "Code", "")));
            copy_text(out->region, sizeof out->region, str_of(xml_text(root, "Region", "")));
            copy_text(out->request_id, sizeof out->request_id, str_of(xml_text(root, "RequestId", "")));
            out->wants_md5 = strcmp(out->code, "InvalidRequest") == 0 && strstr(xml_text(root, "Message", ""), "Content-MD5");
        }
    }
    struct str region = http_header(r, "x-amz-bucket-region");
    if (region.n)
        copy_text(out->region, sizeof out->region, region);
    copy_text(id, sizeof id, http_header(r, "x-amz-request-id"));
    copy_text(id2, sizeof id2, http_header(r, "x-amz-id-2"));
    if (id[0])
        snprintf(out->request_id, sizeof out->request_id, "%s%s%.60s", id, id2[0] ? "/" : "", id2);
    arena_free(&a);
}

static const struct {
    const char *code, *cure;
} cures[] = {
    {"NoSuchBucket", "the bucket does not exist there: create it, or correct store, region or endpoint-url"},
    {"InvalidBucketName", "that is not a bucket's name: correct store"},
    {"InvalidAccessKeyId", "the server does not know the access key: check AWS_ACCESS_KEY_ID"},
    {"SignatureDoesNotMatch", "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY"},
    {"ExpiredToken", "the session has expired and could not be renewed: get new credentials"},
    {"InvalidToken", "the session token is not valid: check AWS_SESSION_TOKEN"},
    {"RequestTimeTooSkewed", "this machine's clock is wrong: set it"},
    {"AuthorizationHeaderMalformed", "the region is wrong: set region to the bucket's"},
    {"PermanentRedirect", "the bucket is in another region: set region"},
    {"KeyTooLongError", "the server takes no names of that length: choose a shorter prefix"},
    {"EntityTooLarge", "the object is larger than the server takes"},
    {"QuotaExceeded", "the store is full: prune old versions (keep-versions)"},
    {"XAmzContentSHA256Mismatch", "other bytes arrived than were signed: did the file change, or a proxy rewrite it?"},
    {"EntityTooSmall", "the store wants larger parts: set RETRAIN_PART_SIZE=64MiB"},
    {"InvalidObjectState", "the object was moved to an archive: restore it"},
    {"MethodNotAllowed", "is endpoint-url really an S3 server?"},
};

/* What to do about it, for codes that say little and for replies without one. */
static const char *cure_of(const struct s3_error_place *p, int status, const struct s3_reply_error *r, char buf[600])
{
    for (size_t i = 0; i < sizeof cures / sizeof *cures; i++) {
        if (strcmp(cures[i].code, r->code) == 0)
            return cures[i].cure;
    }
    bool is_read = strcmp(p->method, "GET") == 0 || strcmp(p->method, "HEAD") == 0;
    if (strcmp(p->credentials, "anonymous") == 0 && (status == 401 || status == 403)) {
        snprintf(buf, 600, "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or role-to-assume%s%s",
                 p->why_anonymous[0] ? "; " : "", p->why_anonymous);
        return buf;
    }
    if (status == 401 || status == 403) {
        const char *action = is_read                          ? "s3:GetObject"
                             : p->method[0] == 'P'              ? "s3:PutObject" /* PUT, and POST of multipart uploads */
                             : strcmp(p->method, "DELETE") == 0 ? "s3:DeleteObject"
                                                                : "s3:ListBucket";
        snprintf(buf, 600, "check the keys (%s), and grant %s on %s/*%s", p->credentials, action, p->store_url,
                 is_read ? " and s3:ListBucket on the bucket (without it a missing object looks like a forbidden one, so "
                           "this is unknown, not absent)"
                 : strcmp(action, "s3:ListBucket") == 0 ? " (s3:ListBucket belongs to the bucket itself)"
                                                        : "");
        return buf;
    }
    if (status == 400 && !r->code[0]) {
        snprintf(buf, 600, "the server gives no reason: check the region%s%s, whether the session is still valid, and "
                           "whether endpoint-url is an S3 server", r->region[0] ? ", which it says is " : "", r->region);
        return buf;
    }
    if (status == 407)
        return "the proxy wants a user name and a password: http_proxy=http://user:password@host:port";
    if (status / 100 == 3)
        return "the server redirects elsewhere: set region and endpoint-url to where the bucket is";
    if (status == 404)
        return "nothing is there: is endpoint-url the S3 server's own address?";
    if (status == 501)
        return "the server does not know this operation";
    if (status / 100 == 5 || status == 429)
        return "the server is in trouble or overloaded: try later";
    return "is endpoint-url an S3 server?";
}

bool s3_fail(struct error *e, enum error_code code, const struct s3_error_place *p, int status,
             const struct s3_reply_error *r)
{
    char buf[600];
    return fail(e, code, "%s: %s %s at %s: %d%s%s%s%s: %s", p->store_url, p->method, p->key[0] ? p->key : "the bucket",
                p->endpoint, status, r->code[0] ? " " : "", r->code, r->request_id[0] ? ", request " : "", r->request_id,
                cure_of(p, status, r, buf));
}
