/* OIDC web identity: a token from the CI host, exchanged at STS for a session of the role. */
#include <stdio.h>
#include <string.h>

#include "cloud/provider.h"
#include "cloud/sigv4.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/xml.h"

#define TOKEN_MAX (16u << 10)

/* GitHub: a new token for every exchange, since one lives for five minutes only. */
static bool github_token(struct provider_context *p, struct arena *a, const char **token, struct error *e)
{
    struct http_request r = {.method = "GET"};
    struct http_response reply = {0};
    struct json *json = NULL;
    const char *url = provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_URL");

    r.url = arena_printf(a, "%s%saudience=%s", url, strchr(url, '?') ? "&" : "?", sigv4_encode(str_of(p->audience), false, a));
    http_add_header(&r, "Authorization", arena_printf(a, "Bearer %s", provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")));
    http_add_header(&r, "Accept", "application/json");
    if (!provider_request(p->http, &r, "GitHub's identity token", 0, a, &reply, e))
        return false;
    bool ok = json_parse(reply.body, "GitHub's identity token", &json, e);
    *token = ok ? arena_strdup(a, json_string(json_get(json, "value"), "")) : "";
    secure_wipe((char *)reply.body.p, reply.body.n);
    json_free(json);
    return ok && ((*token)[0] || fail(e, ERR_STORE, "GitHub's identity token: the reply holds none"));
}

/* Says by name that a token is over, before a server says so in its own way. */
static bool check_expiry(const char *token, const char *name, struct error *e)
{
    struct str rest = str_of(token), part;
    struct str_buf payload = STR_BUF(TOKEN_MAX);
    struct error ignored;
    struct json *json = NULL;
    int64_t exp = 0;
    bool ok = true;

    if (str_cut(&rest, '.', &part) && str_cut(&rest, '.', &part) && base64url_decode(part, &payload) &&
        json_parse(str_buf_view(&payload), "token", &json, &ignored) && json_int64(json_get(json, "exp"), &exp) &&
        exp < clock_now()) {
        char when[CLOCK_RFC3339];
        clock_rfc3339((time_t)exp, when);
        ok = fail(e, ERR_STORE, "the identity token in %s expired at %s: on GitLab it lives as long as the job's timeout, so "
                  "set `timeout:` of the job", name, when);
    }
    json_free(json);
    str_buf_free(&payload);
    return ok;
}

static bool file_token(const char *path, struct arena *a, const char **token, struct error *e)
{
    struct str text;
    if (!fs_read_file(path, TOKEN_MAX, a, &text, e)) {
        e->code = ERR_CONFIG;
        return fail_in(e, "AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    *token = str_dup(a, str_trim(text));
    return true;
}

/* *token = NULL: there is none. */
static bool find_token(struct provider_context *p, struct arena *a, const char **token, struct error *e)
{
    const char *file = provider_env(p, "AWS_WEB_IDENTITY_TOKEN_FILE"), *env = provider_env(p, "RETRAIN_ID_TOKEN");
    bool ok = true;

    *token = NULL;
    if (provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_URL")[0] && p->role[0]) {
        ok = github_token(p, a, token, e);
    } else if (env[0]) {
        *token = env;
        ok = check_expiry(env, "RETRAIN_ID_TOKEN", e);
    } else if (file[0]) {
        ok = file_token(file, a, token, e) && check_expiry(*token, file, e);
    }
    if (ok && *token)
        log_mask(*token);
    return ok;
}

static const char *sts_url(const struct provider_context *p, struct arena *a)
{
    const char *own = provider_env(p, "AWS_ENDPOINT_URL_STS"), *all = provider_env(p, "AWS_ENDPOINT_URL");
    const char *base = own[0] ? own : all[0] ? all : p->endpoint_url;
    if (base[0])
        return str_ends(str_of(base), "/") ? base : arena_printf(a, "%s/", base);
    bool is_china = str_starts(str_of(p->region), "cn-");
    return arena_printf(a, "https://sts.%s.amazonaws.com%s/", p->region, is_china ? ".cn" : "");
}

/* 2 to 64 of [A-Za-z0-9_+=,.@-]; what shows up in the cloud's audit log. */
static const char *session_name(const struct provider_context *p, struct arena *a)
{
    const char *run = provider_env(p, "GITHUB_RUN_ID"), *job = provider_env(p, "CI_JOB_ID");
    const char *id = run[0] ? run : job;
    for (const char *c = id; *c; c++) {
        if (*c < '0' || *c > '9')
            id = "";
    }
    return id[0] ? arena_printf(a, "retrain-%.40s", id) : "retrain";
}

static bool read_reply(const struct http_response *reply, struct arena *a, struct secret_keys *out, struct error *e)
{
    struct xml_node *root;
    if (!xml_parse(reply->body, "STS", a, &root, e)) {
        e->code = ERR_STORE;
        return false;
    }
    const struct xml_node *keys = xml_get(xml_get(root, "AssumeRoleWithWebIdentityResult"), "Credentials");
    const char *access = xml_text(keys, "AccessKeyId", ""), *secret = xml_text(keys, "SecretAccessKey", "");
    const char *token = xml_text(keys, "SessionToken", "");
    if (!access[0] || !secret[0] || !token[0])
        return fail(e, ERR_STORE, "STS: the reply holds no credentials");
    log_mask(secret);
    log_mask(token);
    secret_keys_set(out, access, secret, token);
    provider_set_expiry(reply, xml_text(keys, "Expiration", ""), out);
    return true;
}

static bool assume_role(struct provider_context *p, const char *role, const char *token, struct arena *a,
                        struct secret_keys *out, struct error *e)
{
    struct http_request r = {.method = "POST"};
    struct http_response reply = {0};

    r.url = sts_url(p, a);
    http_add_header(&r, "Content-Type", "application/x-www-form-urlencoded");
    const char *form = arena_printf(a, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s&RoleSessionName=%s"
                                       "&WebIdentityToken=%s",
                                    sigv4_encode(str_of(role), false, a), session_name(p, a),
                                    sigv4_encode(str_of(token), false, a));
    r.body = str_of(form);
    bool ok = provider_request(p->http, &r, "STS AssumeRoleWithWebIdentity", 4, a, &reply, e) ||
              fail_in(e, "assuming %s", role);
    ok = ok && read_reply(&reply, a, out, e);
    secure_wipe((char *)form, strlen(form));
    secure_wipe((char *)reply.body.p, reply.body.n);
    return ok;
}

bool provider_web_identity(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct arena a = {0};
    const char *role = p->role[0] ? p->role : provider_env(p, "AWS_ROLE_ARN"), *token;

    if (!role[0])
        return true;
    bool ok = find_token(p, &a, &token, e);
    if (ok && !token)
        snprintf(p->why_not, sizeof p->why_not,
                 "there is no identity token for role-to-assume (GitHub: give the job `permissions: id-token: write`, which "
                 "pull requests from forks never get; GitLab: `id_tokens: RETRAIN_ID_TOKEN`)");
    if (ok && token) {
        ok = assume_role(p, role, token, &a, out, e);
        *found = ok;
    }
    arena_free(&a);
    return ok;
}
