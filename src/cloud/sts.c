#include "cloud/sts.h"

#include <math.h>
#include <string.h>

#include "cloud/id_token.h"
#include "cloud/retry.h"
#include "cloud/sigv4.h"
#include "cloud/url.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/xml.h"

#define MAX_TRIES 4
#define SKEW_MIN_S 60.0 /* servers refuse 15 minutes; less than this explains nothing */

/* The regions in which sts_regional_endpoints = legacy means the one global service (botocore's list). */
static const char *const legacy_regions[] = {
    "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
    "eu-north-1",     "eu-west-1",  "eu-west-2",      "eu-west-3",      "sa-east-1",    "us-east-1",
    "us-east-2",      "us-west-1",  "us-west-2",
};

struct place {
    const char *url, *region; /* what to sign for */
};

static const char *first_of(const char *a, const char *b)
{
    return a[0] ? a : b;
}

static struct place find_place(const struct provider_context *p, struct arena *a)
{
    const char *region = strcmp(p->region, "auto") ? p->region : "us-east-1";
    const char *own = first_of(provider_env(p, "AWS_ENDPOINT_URL_STS"), provider_env(p, "AWS_ENDPOINT_URL"));
    own = first_of(own, first_of(p->profile.endpoint_url_sts, p->endpoint_url));
    if (own[0])
        return (struct place){own, region};
    const char *mode = first_of(provider_env(p, "AWS_STS_REGIONAL_ENDPOINTS"), p->profile.sts_regional_endpoints);
    for (size_t i = 0; strcmp(mode, "legacy") == 0 && i < sizeof legacy_regions / sizeof *legacy_regions; i++) {
        if (strcmp(region, legacy_regions[i]) == 0)
            return (struct place){"https://sts.amazonaws.com", "us-east-1"};
    }
    bool is_china = str_starts(str_of(region), "cn-");
    return (struct place){arena_printf(a, "https://sts.%s.amazonaws.com%s", region, is_china ? ".cn" : ""), region};
}

/* 2 to 64 of [A-Za-z0-9_+=,.@-]; what shows up in the cloud's audit log. */
static const char *session_name(const struct provider_context *p, struct arena *a)
{
    const char *run = provider_env(p, "GITHUB_RUN_ID"), *id = first_of(run, provider_env(p, "CI_JOB_ID"));
    for (const char *c = id; *c; c++) {
        if (*c < '0' || *c > '9')
            id = "";
    }
    return id[0] ? arena_printf(a, "retrain-%.40s", id) : "retrain";
}

struct sts_call {
    struct provider_context *p;
    const char *action, *result; /* the reply's element */
    const struct sts_role *role;
    const struct secret_keys *keys;  /* sign with these, or ... */
    const struct identity *identity; /* ... send a token of this */
    const char *token;               /* the last one sent */
    double skew_s;
    bool clock_corrected;
    int status;
    struct service_error said;
};

static void sign(const struct sts_call *c, struct http_request *r, const struct url *u, const char *region, struct arena *a)
{
    char *date = arena_alloc(a, SIGV4_DATE), hex[SHA256_HEX];
    uint8_t sum[SHA256_BYTES];
    time_t now = c->p->now() + (time_t)c->skew_s;
    const char *token = str_buf_text(&c->keys->session_token);
    struct sigv4 done;

    sigv4_date(now, date);
    http_add_header(r, "Host", u->authority);
    http_add_header(r, "x-amz-date", date);
    if (token[0])
        http_add_header(r, "x-amz-security-token", token);
    sha256_of(r->body.p, r->body.n, sum);
    hex_encode(sum, sizeof sum, hex);
    struct sigv4_request what = {"POST", u->path[0] ? u->path : "/", "", r->headers, r->n_headers, hex};
    struct sigv4_key key = {str_buf_text(&c->keys->access_key), str_buf_text(&c->keys->secret_key), region, "sts"};
    sigv4_sign(&what, &key, now, a, &done);
    http_add_header(r, "Authorization", done.authorization);
}

static const char *form_of(const struct sts_call *c, struct arena *a)
{
    const struct sts_role *role = c->role;
    const char *name = role->session_name && role->session_name[0] ? role->session_name : session_name(c->p, a);
    const char *form = arena_printf(a, "Action=%s&Version=2011-06-15&RoleArn=%s&RoleSessionName=%s", c->action,
                                    sigv4_encode(str_of(role->arn), false, a), sigv4_encode(str_of(name), false, a));
    if (role->seconds)
        form = arena_printf(a, "%s&DurationSeconds=%d", form, role->seconds);
    if (role->external_id && role->external_id[0])
        form = arena_printf(a, "%s&ExternalId=%s", form, sigv4_encode(str_of(role->external_id), false, a));
    if (c->token)
        form = arena_printf(a, "%s&WebIdentityToken=%s", form, sigv4_encode(str_of(c->token), false, a));
    return form;
}

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    struct sts_call *c = ctx;
    struct place place = find_place(c->p, a);
    struct url u;

    if (!url_parse(place.url, "the STS endpoint", a, &u, e))
        return false;
    if (c->identity && !identity_token(c->p, c->identity, a, &c->token, e)) /* a fresh one for each try */
        return false;
    bool has_path = u.path[0] != 0;
    r->method = "POST";
    r->url = has_path ? place.url : arena_printf(a, "%s/", place.url);
    r->body = str_of(form_of(c, a));
    http_add_header(r, "Content-Type", "application/x-www-form-urlencoded");
    if (c->keys)
        sign(c, r, &u, place.region, a);
    return true;
}

/* STS calls a signature of the wrong time SignatureDoesNotMatch: so the clocks decide. */
static bool correct_clock(struct sts_call *c, const struct http_response *reply)
{
    time_t theirs;
    if (!c->keys || c->clock_corrected || reply->status / 100 != 4 || !clock_parse_http(http_header(reply, "Date"), &theirs))
        return false;
    double skew_s = difftime(theirs, c->p->now());
    if (fabs(skew_s) < SKEW_MIN_S)
        return false;
    c->clock_corrected = true;
    c->skew_s = skew_s;
    return true;
}

static enum retry_kind judge(void *ctx, const struct http_response *r, struct arena *a, struct error *e)
{
    struct sts_call *c = ctx;
    if (correct_clock(c, r))
        return RETRY_NOW;
    c->said = provider_read_error(r, a);
    c->status = r->status;
    enum retry_kind kind = retry_classify(r->status, c->said.code);
    if (kind == RETRY_DONE)
        return kind;
    /* Words of the service, unless they repeat what nobody may read. */
    bool tells_token = c->token && strstr(c->said.message, c->token);
    bool has_words = c->said.message[0] && !tells_token;
    fail(e, kind == RETRY_LATER ? ERR_NET : ERR_STORE, "STS %s: the server answers %d%s%.60s%s%.300s%s", c->action, r->status,
         c->said.code[0] ? " " : "", c->said.code, has_words ? " (" : "", has_words ? c->said.message : "",
         has_words ? ")" : "");
    return kind;
}

static bool read_reply(const struct sts_call *c, const struct http_response *reply, struct arena *a, struct secret_keys *out,
                       struct error *e)
{
    struct xml_node *root;
    struct error bad;
    if (!xml_parse(reply->body, "STS", a, &root, &bad))
        return fail(e, ERR_STORE, "STS %s: the reply is not XML: is the endpoint an STS?", c->action);
    const struct xml_node *keys = xml_get(xml_get(root, c->result), "Credentials");
    const char *access = xml_text(keys, "AccessKeyId", ""), *secret = xml_text(keys, "SecretAccessKey", "");
    const char *token = xml_text(keys, "SessionToken", "");
    if (!access[0] || !secret[0] || !token[0])
        return fail(e, ERR_STORE, "STS %s: the reply holds no credentials", c->action);
    log_mask(secret);
    log_mask(token);
    secret_keys_set(out, access, secret, token);
    provider_set_expiry(c->p, reply, xml_text(keys, "Expiration", ""), out);
    return true;
}

static bool run(struct sts_call *c, struct arena *a, struct secret_keys *out, struct error *e)
{
    struct http_response reply = {0};
    struct retry t = {.prepare = prepare, .judge = judge, .ctx = c, .max_tries = c->p->max_tries ? c->p->max_tries : MAX_TRIES};
    return retry_run(&t, c->p->http, a, &reply, e) && read_reply(c, &reply, a, out, e);
}

bool sts_assume_role(struct provider_context *p, const struct sts_role *role, const struct secret_keys *keys, const char *who,
                     struct secret_keys *out, struct error *e)
{
    struct arena a = {0};
    struct sts_call c = {.p = p, .action = "AssumeRole", .result = "AssumeRoleResult", .role = role, .keys = keys};
    bool ok = run(&c, &a, out, e);
    struct error service = *e;
    if (!ok && c.status / 100 == 4)
        fail(e, service.code, "%s: check that the role's trust policy names the owner of %s as principal, and that a policy of "
             "that owner allows sts:AssumeRole on the role", service.message, who);
    if (!ok)
        fail_in(e, "assuming %s with %s", role->arn, who);
    arena_wipe(&a);
    return ok;
}

/* What the service refused, in terms of what can be changed. */
static void explain_refusal(const struct sts_call *c, struct arena *a, struct error *e)
{
    struct id_token t;
    if (!id_token_read(c->token, a, &t)) {
        fail_in(e, "%s is no JSON Web Token", identity_name(c->identity));
        return;
    }
    bool is_expired = str_starts(str_of(c->said.code), "ExpiredToken") || (t.has_exp && t.exp < c->p->now());
    struct error service = *e;
    fail(e, service.code, "%s; the token says: %s; %s: %s", service.message, id_token_claims(&t, a),
         is_expired ? "it has expired: get a new one, and see whether this machine's clock is right; the role's trust policy "
                      "would take it with"
                    : "register the issuer as an identity provider of the account, with that audience, and let the role's "
                      "trust policy hold",
         id_token_trust_policy(&t, c->role->arn, a));
}

bool sts_assume_with_identity(struct provider_context *p, const struct sts_role *role, const struct identity *i,
                              struct secret_keys *out, struct error *e)
{
    struct arena a = {0};
    struct sts_call c = {.p = p,
                         .action = "AssumeRoleWithWebIdentity",
                         .result = "AssumeRoleWithWebIdentityResult",
                         .role = role,
                         .identity = i};
    bool ok = run(&c, &a, out, e);
    if (!ok && c.token && (c.status == 400 || c.status == 401 || c.status == 403))
        explain_refusal(&c, &a, e);
    if (!ok && c.token)
        fail_in(e, "assuming %s with %s", role->arn, identity_name(i));
    arena_wipe(&a);
    return ok;
}
