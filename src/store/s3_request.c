#include "store/s3_request.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "store/download.h"

#define SKEW_MIN_S 60.0 /* servers refuse 15 minutes; less than this explains nothing */

struct s3_store *s3_of(const struct store *s)
{
    return (struct s3_store *)s;
}

bool s3_open_lanes(struct s3_store *s, int n, struct error *e)
{
    for (int i = 0; i < n; i++) {
        if (s->http[i])
            continue;
        if (!http_open(&s->http_options, &s->http[i], e))
            return false;
        http_allow_after_stop(s->http[i], s->stop_deadline - clock_seconds());
    }
    return true;
}

void s3_call_header(struct s3_call *c, const char *name, const char *value)
{
    if (c->n_headers == sizeof c->headers / sizeof *c->headers)
        BUG("too many headers, at %s", name);
    c->headers[c->n_headers++] = (struct http_header){name, value};
}

void s3_call_parameter(struct s3_call *c, const char *name, const char *value)
{
    if (c->n_parameters == sizeof c->parameters / sizeof *c->parameters)
        BUG("too many parameters, at %s", name);
    c->parameters[c->n_parameters++] = (struct sigv4_parameter){str_of(name), str_of(value)};
}

static const char *object_path(const struct s3_call *c, const struct s3_address *at, struct arena *a)
{
    const char *prefix = c->s3->location.prefix;
    if (!c->key)
        return at->root[0] ? at->root : "/";
    const char *key = prefix[0] ? arena_printf(a, "%s/%s", prefix, c->key) : c->key;
    return arena_printf(a, "%s/%s", at->root, sigv4_encode(str_of(key), true, a));
}

/* The credentials are only ours under the lock, so what the request carries of them is a copy. */
static void forget_token(struct s3_call *c)
{
    if (c->signed_token)
        secure_wipe(c->signed_token, strlen(c->signed_token));
    mem_free(c->signed_token);
    c->signed_token = NULL;
}

static void sign(struct s3_call *c, struct http_request *r, const char *path, const char *query,
                 const struct credential_keys *keys, struct arena *a)
{
    char *date = arena_alloc(a, SIGV4_DATE);
    time_t now = clock_now() + (time_t)c->s3->skew_s;
    struct sigv4 signed_request;

    sigv4_date(now, date);
    http_add_header(r, "x-amz-date", date);
    http_add_header(r, "x-amz-content-sha256", c->payload_sha256);
    if (keys->session_token[0]) {
        c->signed_token = store_strdup(keys->session_token);
        http_add_header(r, "x-amz-security-token", c->signed_token);
    }
    struct sigv4_request what = {c->method, path, query, r->headers, r->n_headers, c->payload_sha256};
    struct sigv4_key key = {keys->access_key, keys->secret_key, c->s3->region, "s3"};
    sigv4_sign(&what, &key, now, a, &signed_request);
    http_add_header(r, "Authorization", signed_request.authorization);
}

static bool address_and_sign(struct s3_call *c, struct http_request *r, struct arena *a, struct error *e)
{
    struct s3_store *s = c->s3;
    struct s3_address at;
    struct credential_keys keys;

    if (!s3_address(s->endpoint_url, s->region, s->location.bucket, s->style, a, &at, e) ||
        !credentials_get(s->credentials, &keys, e))
        return fail_in(e, "%s", s->base.url);
    const char *path = object_path(c, &at, a), *query = sigv4_query(c->parameters, c->n_parameters, a);
    c->signed_region = s->region;
    c->signed_skew_s = s->skew_s;
    r->url = arena_printf(a, "%s%s%s%s", at.base, path, query[0] ? "?" : "", query);
    http_add_header(r, "Host", at.authority);
    for (size_t i = 0; i < c->n_headers; i++)
        http_add_header(r, c->headers[i].name, c->headers[i].value);
    if (c->md5[0])
        http_add_header(r, "Content-MD5", c->md5);
    if (c->etag)
        download_go_on(r, &c->reply, c->etag, a);
    if (keys.access_key[0])
        sign(c, r, path, query, &keys, a);
    return true;
}

/* Once a call, and not under the lock: it may read a file. */
static bool add_md5(struct s3_call *c, struct error *e)
{
    uint8_t sum[MD5_BYTES];
    struct str_buf text = STR_BUF(MD5_BASE64);

    bool ok = c->body_path ? md5_of_file(c->body_path, c->body_offset, c->body_bytes, sum, e)
                           : md5_of(c->body.p, c->body.n, sum, e);
    if (!ok)
        return false;
    base64_encode(sum, sizeof sum, &text);
    memcpy(c->md5, str_buf_text(&text), MD5_BASE64);
    str_buf_free(&text);
    return true;
}

static bool wants_md5(const struct s3_call *c)
{
    pthread_mutex_lock(&c->s3->lock);
    bool does = c->s3->wants_md5;
    pthread_mutex_unlock(&c->s3->lock);
    return does && strcmp(c->method, "PUT") == 0 && !c->md5[0];
}

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    struct s3_call *c = ctx;

    forget_token(c);
    r->method = c->method;
    r->body = c->body;
    r->body_path = c->body_path;
    r->body_offset = c->body_offset;
    r->body_bytes = c->body_bytes;
    r->body_sha256 = c->body_sha256;
    r->max_bytes = c->max_bytes;
    r->sink = c->sink;
    r->patience = c->patience;
    if (wants_md5(c) && !add_md5(c, e))
        return false;
    pthread_mutex_lock(&c->s3->lock);
    bool ok = address_and_sign(c, r, a, e);
    pthread_mutex_unlock(&c->s3->lock);
    return ok;
}

/* The bucket is elsewhere: sign for that region, once. */
static bool correct_region(struct s3_call *c, int status, const struct s3_reply_error *r)
{
    bool may_be = status == 301 || status == 307 || status == 400 || strcmp(r->code, "AuthorizationHeaderMalformed") == 0;
    if (!may_be || c->region_corrected || !r->region[0] || strcmp(r->region, c->signed_region) == 0)
        return false;
    c->region_corrected = true;
    if (strcmp(r->region, c->s3->region) == 0)
        return true; /* another worker was told before */
    log_notice("bucket %s is in region %s, not %s: set region to save a request each run", c->s3->location.bucket, r->region,
               c->s3->region);
    c->s3->region = arena_strdup(&c->s3->arena, r->region);
    return true;
}

/* The server's clock and ours differ: go by the server's, once. HEAD has no code to tell it by. */
static bool correct_clock(struct s3_call *c, const struct http_response *reply, const struct s3_reply_error *r)
{
    time_t theirs;
    bool may_be = strcmp(r->code, "RequestTimeTooSkewed") == 0 || (reply->status == 403 && !r->code[0]);
    if (!may_be || c->clock_corrected || !clock_parse_http(http_header(reply, "Date"), &theirs))
        return false;
    double skew_s = difftime(theirs, clock_now());
    if (fabs(skew_s - c->signed_skew_s) < SKEW_MIN_S)
        return false;
    c->clock_corrected = true;
    if (fabs(skew_s - c->s3->skew_s) < SKEW_MIN_S)
        return true;
    c->s3->skew_s = skew_s;
    log_warning("this machine's clock is %.0f seconds %s the store's: going by the store's", fabs(skew_s),
                skew_s > 0 ? "behind" : "ahead of");
    return true;
}

/* Where objects are locked by default, AWS takes a signed SHA-256 for no checksum and asks for another. */
static bool begin_md5(struct s3_call *c, const struct s3_reply_error *r)
{
    if (!r->wants_md5 || c->md5[0] || strcmp(c->method, "PUT"))
        return false;
    c->s3->wants_md5 = true;
    return true;
}

/* An expired session is 400 ExpiredToken, a bare 400, or just a 403, depending on the server: renew once and see. */
static bool renew_session(struct s3_call *c, int status, const struct s3_reply_error *r)
{
    static const char *const codes[] = {"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "AccessDenied", ""};
    struct credential_keys now;
    struct error e;
    bool changed = false, may_be = false;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        may_be = may_be || strcmp(r->code, codes[i]) == 0;
    if (!may_be || c->session_renewed || (status != 400 && status != 401 && status != 403))
        return false;
    c->session_renewed = true;
    if (credentials_get(c->s3->credentials, &now, &e) && strcmp(now.session_token, c->signed_token ? c->signed_token : ""))
        return true; /* another worker has renewed it since this request was signed */
    return credentials_renew(c->s3->credentials, &changed, &e) && changed;
}

/* "There is no such object", as opposed to a missing bucket, or to a web server that has never heard of S3. */
static bool is_absent(const struct s3_call *c, int status, const struct s3_reply_error *r)
{
    bool is_head = strcmp(c->method, "HEAD") == 0; /* has no body to tell by */
    return status == 404 && (is_head || (str_starts(str_of(r->code), "NoSuch") && strcmp(r->code, "NoSuchBucket")));
}

static bool is_answer(const struct s3_call *c, int status, const struct s3_reply_error *r)
{
    for (size_t i = 0; c->answers && c->answers[i]; i++) {
        if (strcmp(c->answers[i], r->code) == 0)
            return true;
    }
    if (is_absent(c, status, r))
        return c->absent_is_fine || c->is_conditional;
    return c->is_conditional && (status == 304 || status == 412 || status == 501);
}

static enum retry_kind judge_error(struct s3_call *c, const struct http_response *reply, struct error *e)
{
    struct s3_reply_error r;
    bool is_error;
    const char *why = "";

    s3_read_error(reply, &r, &is_error);
    memcpy(c->code, r.code, sizeof c->code);
    if (!is_error || is_answer(c, reply->status, &r))
        return RETRY_DONE;
    if (correct_region(c, reply->status, &r) || correct_clock(c, reply, &r) || renew_session(c, reply->status, &r) ||
        begin_md5(c, &r))
        return RETRY_NOW;

    /* A 200 that holds an error is a 500 that came too late. */
    int status = reply->status / 100 == 2 ? 500 : reply->status;
    enum retry_kind kind = retry_classify(status, r.code);
    struct s3_error_place place = {
        .store_url = c->s3->base.url,
        .method = c->key ? c->method : "LIST",
        .key = c->key ? c->key : "",
        .bucket = c->s3->location.bucket,
        .endpoint = c->s3->endpoint_url[0] ? c->s3->endpoint_url : c->s3->region,
        .credentials = credentials_source(c->s3->credentials, &why),
        .why_anonymous = why,
    };
    s3_fail(e, kind == RETRY_LATER ? ERR_NET : ERR_STORE, &place, reply->status, &r);
    return kind;
}

static enum retry_kind judge(void *ctx, const struct http_response *reply, struct arena *a, struct error *e)
{
    (void)a;
    struct s3_call *c = ctx;

    pthread_mutex_lock(&c->s3->lock);
    enum retry_kind kind = judge_error(c, reply, e);
    pthread_mutex_unlock(&c->s3->lock);
    return kind;
}

bool s3_run(struct s3_call *c, struct arena *a, struct error *e)
{
    char hex[SHA256_HEX];
    uint8_t sum[SHA256_BYTES];
    int max_tries = c->max_tries ? c->max_tries : c->s3->max_tries;
    struct retry retry = {.prepare = prepare, .judge = judge, .ctx = c, .max_tries = max_tries,
                          .budget_s = c->s3->budget_s};

    if (!c->payload_sha256) {
        sha256_of(c->body.p, c->body.n, sum);
        hex_encode(sum, sizeof sum, hex);
        c->payload_sha256 = hex;
    }
    bool ok = retry_run(&retry, c->s3->http[c->lane], a, &c->reply, e);
    forget_token(c);
    c->n_attempts = retry.n_attempts;
    if (c->payload_sha256 == hex)
        c->payload_sha256 = NULL;
    /* Errors of the connection do not know whose request it was. */
    if (!ok && !strstr(e->message, c->s3->base.url))
        fail_in(e, "%s: %s %s", c->s3->base.url, c->method, c->key ? c->key : "the bucket");
    return ok;
}
