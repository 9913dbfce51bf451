/* OIDC web identity: a token from the CI host, exchanged at STS for a session of the role. */
#include <stdio.h>
#include <string.h>

#include "cloud/id_token.h"
#include "cloud/sigv4.h"
#include "cloud/sts.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"

#define TOKEN_MAX (16u << 10)

struct identity identity_find(const struct provider_context *p)
{
    const char *file = provider_env(p, "AWS_WEB_IDENTITY_TOKEN_FILE");

    if (p->role[0] && provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_URL")[0])
        return (struct identity){.kind = IDENTITY_GITHUB};
    if (provider_env(p, "RETRAIN_ID_TOKEN")[0])
        return (struct identity){.kind = IDENTITY_VARIABLE};
    if (file[0])
        return (struct identity){IDENTITY_FILE, file};
    return (struct identity){.kind = IDENTITY_NONE};
}

const char *identity_name(const struct identity *i)
{
    return i->kind == IDENTITY_GITHUB     ? "GitHub's identity token"
           : i->kind == IDENTITY_VARIABLE ? "the identity token in RETRAIN_ID_TOKEN"
           : i->kind == IDENTITY_FILE     ? "the identity token of the web identity file"
                                          : "no identity token";
}

/* The token with which to ask for tokens has a life of its own. */
static void explain_github(const struct provider_context *p, const struct http_response *reply, struct arena *a,
                           struct error *e)
{
    struct id_token t;
    struct error service = *e;
    char when[CLOCK_RFC3339];
    bool is_jwt = id_token_read(provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"), a, &t);
    bool is_over = is_jwt && t.has_exp && t.exp < p->now();

    if (reply->status != 401 && reply->status != 403)
        return;
    if (is_over)
        clock_rfc3339((time_t)t.exp, when);
    fail(e, service.code, "%s: %s%s%s", service.message,
         is_over ? "the job's right to ask for identity tokens ended at " : "the job may no longer ask for identity tokens",
         is_over ? when : "",
         " (GitHub ends it about 6 hours after the job began): what was trained is kept as a checkpoint, so run the job again; "
         "longer trainings need a shorter time-budget, a longer role-duration, or keys of the runner itself");
}

/* A new token for every exchange, since one lives for five minutes only. */
static bool github_token(struct provider_context *p, struct arena *a, const char **token, struct error *e)
{
    static const char what[] = "asking GitHub for an identity token";
    struct http_request r = {.method = "GET"};
    struct http_response reply = {0};
    struct json *json = NULL;
    struct error bad;
    const char *url = provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_URL");

    r.url = arena_printf(a, "%s%saudience=%s", url, strchr(url, '?') ? "&" : "?", sigv4_encode(str_of(p->audience), false, a));
    http_add_header(&r, "Authorization", arena_printf(a, "Bearer %s", provider_env(p, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")));
    http_add_header(&r, "Accept", "application/json");
    if (!provider_request(p->http, &r, what, p->max_tries, a, &reply, NULL, e)) {
        explain_github(p, &reply, a, e);
        return false;
    }
    bool ok = json_parse(reply.body, what, &json, &bad);
    *token = ok ? arena_strdup(a, json_string(json_get(json, "value"), "")) : "";
    json_free(json);
    return (*token)[0] || fail(e, ERR_STORE, "%s: the reply holds none", what);
}

/* Says by name that a token is over, before a server says so in its own way. */
static bool check_expiry(const struct provider_context *p, const struct identity *i, const char *token, struct arena *a,
                         struct error *e)
{
    struct id_token t;
    char when[CLOCK_RFC3339];

    if (!id_token_read(token, a, &t) || !t.has_exp || t.exp >= p->now())
        return true;
    clock_rfc3339((time_t)t.exp, when);
    return fail(e, ERR_STORE, "%s%s%s expired at %s: %s", identity_name(i), i->path ? " " : "", i->path ? i->path : "", when,
                i->kind == IDENTITY_VARIABLE ? "on GitLab it lives as long as the job's timeout (five minutes without one), so set "
                                               "`timeout:` of the job to the time that training takes"
                                             : "whoever writes that file must renew it");
}

static bool file_token(const char *path, struct arena *a, const char **token, struct error *e)
{
    struct str text;
    if (!fs_read_file(path, TOKEN_MAX, a, &text, e)) {
        e->code = ERR_CONFIG;
        return fail_in(e, "the web identity token file (AWS_WEB_IDENTITY_TOKEN_FILE or web_identity_token_file)");
    }
    *token = str_dup(a, str_trim(text));
    return true;
}

bool identity_token(struct provider_context *p, const struct identity *i, struct arena *a, const char **token, struct error *e)
{
    bool ok = true;
    if (i->kind == IDENTITY_GITHUB)
        ok = github_token(p, a, token, e);
    else if (i->kind == IDENTITY_FILE)
        ok = file_token(i->path, a, token, e);
    else
        *token = arena_strdup(a, provider_env(p, "RETRAIN_ID_TOKEN"));
    if (!ok)
        return false;
    log_mask(*token);
    return i->kind == IDENTITY_GITHUB || check_expiry(p, i, *token, a, e);
}

bool provider_web_identity(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct identity i = identity_find(p);
    struct sts_role role = {.arn = p->role[0] ? p->role : provider_env(p, "AWS_ROLE_ARN"),
                            .session_name = provider_env(p, "AWS_ROLE_SESSION_NAME"),
                            .seconds = p->role_seconds};

    if (!role.arn[0])
        return true;
    if (i.kind == IDENTITY_NONE) {
        snprintf(p->why_not, sizeof p->why_not,
                 "there is no identity token for role-to-assume (GitHub: give the job `permissions: id-token: write`, which "
                 "pull requests from forks never get; GitLab: `id_tokens: RETRAIN_ID_TOKEN`)");
        return true;
    }
    *found = sts_assume_with_identity(p, &role, &i, out, e);
    snprintf(p->source, sizeof p->source, "web identity, %s", identity_name(&i));
    return *found;
}
