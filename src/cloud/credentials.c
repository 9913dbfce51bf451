#include "cloud/credentials.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cloud/sts.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/process.h"

#define RENEW_AHEAD_S 600.0
#define RENEW_PAUSE_S 20.0 /* between two failed renewals while the old ones last */

static const struct {
    const char *name;
    provider_fn fetch;
} providers[] = {
    {"environment", provider_environment},
    {"web identity", provider_web_identity},
    {"profile", provider_profile},
    {"container endpoint", provider_container},
    {"instance metadata", provider_instance},
};
#define N_PROVIDERS (sizeof providers / sizeof *providers)

struct credentials {
    struct arena arena;
    struct provider_context context;
    struct secret_keys keys;
    bool is_anonymous, is_resolved;
    size_t provider; /* N_PROVIDERS = anonymous */
    double fetched_s, expires_s, next_try_s; /* monotonic */
};

bool provider_environment(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    const char *access = provider_env(p, "AWS_ACCESS_KEY_ID"), *secret = provider_env(p, "AWS_SECRET_ACCESS_KEY");

    if (!access[0] && !secret[0])
        return true;
    if (!access[0] || !secret[0])
        return fail(e, ERR_CONFIG, "%s is set but %s is not: set both, or neither",
                    access[0] ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                    access[0] ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    /* A session that an earlier step left behind ends in mid-training; with an identity token we open our own. */
    if (p->role[0] && provider_env(p, "AWS_SESSION_TOKEN")[0] && identity_find(p).kind != IDENTITY_NONE)
        return true;
    secret_keys_set(out, access, secret, provider_env(p, "AWS_SESSION_TOKEN"));
    *found = true;
    return true;
}

static time_t wall_clock(void)
{
    return clock_now();
}

static const char *kept(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

bool credentials_open(const struct credentials_options *o, struct credentials **out, struct error *e)
{
    struct http_options plain = {.getenv = o->getenv};
    struct http_options metadata = {.getenv = o->getenv, .connect_seconds = 1, .is_metadata_service = true};
    struct credentials *c = mem_alloc(sizeof *c);
    struct provider_context *p = &c->context;

    struct error no_profile;

    *out = NULL;
    process_forbid_core();
    c->is_anonymous = o->is_anonymous;
    if (o->is_anonymous)
        snprintf(p->why_not, sizeof p->why_not, "none were looked for here");
    p->getenv = o->getenv;
    p->now = o->now ? o->now : wall_clock;
    p->role_seconds = o->role_seconds;
    p->role = kept(&c->arena, o->role);
    p->audience = kept(&c->arena, o->audience && o->audience[0] ? o->audience : "sts.amazonaws.com");
    p->region = kept(&c->arena, o->region);
    p->endpoint_url = kept(&c->arena, o->endpoint_url);
    if (!profile_settings(o->getenv, &c->arena, &p->profile, &no_profile)) /* its provider will say so, if it is asked */
        log_debug("%s", no_profile.message);
    if (!http_open(&plain, &p->http, e) || !http_open(&metadata, &p->metadata_http, e)) {
        credentials_close(c);
        return false;
    }
    *out = c;
    return true;
}

void credentials_close(struct credentials *c)
{
    if (!c)
        return;
    secret_keys_wipe(&c->keys);
    http_close(c->context.http);
    http_close(c->context.metadata_http);
    arena_free(&c->arena);
    mem_free(c);
}

/* The role of role-to-assume with keys that are not its own yet. */
static bool assume_role(struct provider_context *p, const char *source, struct secret_keys *keys, struct error *e)
{
    struct sts_role role = {.arn = p->role, .session_name = provider_env(p, "AWS_ROLE_SESSION_NAME"), .seconds = p->role_seconds};
    struct secret_keys session = {0};
    char who[160], name[128];

    snprintf(name, sizeof name, "%.120s", p->source[0] ? p->source : source);
    snprintf(who, sizeof who, "the keys of the %s", name);
    bool ok = sts_assume_role(p, &role, keys, who, &session, e);
    secret_keys_wipe(keys);
    *keys = session;
    snprintf(p->source, sizeof p->source, "role-to-assume by %s", who);
    return ok;
}

static bool fetch(struct credentials *c, size_t provider, bool *found, struct error *e)
{
    struct secret_keys fresh = {0};
    struct provider_context *p = &c->context;

    char source[sizeof p->source];

    *found = false;
    memcpy(source, p->source, sizeof source);
    p->source[0] = 0;
    bool ok = providers[provider].fetch(p, &fresh, found, e);
    if (ok && *found && p->role[0] && providers[provider].fetch != provider_web_identity)
        ok = assume_role(p, providers[provider].name, &fresh, e);
    if (!ok || !*found) {
        secret_keys_wipe(&fresh);
        memcpy(p->source, source, sizeof source); /* of the keys that are still in use */
        return ok;
    }
    if (fresh.access_key.overflow || fresh.secret_key.overflow || fresh.session_token.overflow) {
        secret_keys_wipe(&fresh);
        return fail(e, ERR_STORE, "%s: the keys are longer than %u bytes", providers[provider].name, SECRET_MAX);
    }
    secret_keys_wipe(&c->keys);
    c->keys = fresh;
    c->fetched_s = clock_seconds();
    c->expires_s = c->fetched_s + fresh.lifetime_s;
    c->next_try_s = 0;
    return true;
}

static bool resolve(struct credentials *c, struct error *e)
{
    for (c->provider = c->is_anonymous ? N_PROVIDERS : 0; c->provider < N_PROVIDERS; c->provider++) {
        bool found;
        error_clear(e);
        if (!fetch(c, c->provider, &found, e))
            return fail_in(e, "credentials");
        if (found)
            break;
    }
    if (c->provider == N_PROVIDERS)
        secret_keys_set(&c->keys, "", "", "");
    c->is_resolved = true;
    log_debug("credentials: %s", credentials_source(c, NULL));
    if (c->keys.session_token.n && !c->keys.expires)
        log_info("credentials (%s): a session that cannot be renewed here: a training that outlasts it cannot publish, see "
                 "docs/credentials.md", credentials_source(c, NULL));
    return true;
}

static double ahead_s(const struct credentials *c)
{
    return fmin(RENEW_AHEAD_S, c->keys.lifetime_s / 4);
}

static bool fetch_again(struct credentials *c, struct error *e)
{
    bool found;
    error_clear(e);
    if (fetch(c, c->provider, &found, e) && found)
        return true;
    return e->code == ERR_NONE ? fail(e, ERR_STORE, "the %s has no credentials any more", providers[c->provider].name) : false;
}

/* While the old ones last, one try, so that no request waits for an issuer that is down; after that, all tries. */
static bool renew(struct credentials *c, struct error *e)
{
    if (clock_seconds() < c->expires_s) {
        c->context.max_tries = 1;
        bool ok = fetch_again(c, e);
        c->context.max_tries = 0;
        if (ok)
            return true;
        if (e->code == ERR_STOPPED)
            return false;
        double now = clock_seconds();
        if (now < c->expires_s) {
            log_warning("credentials cannot be renewed yet, the old ones go on: %s", e->message);
            c->next_try_s = now + fmin(RENEW_PAUSE_S, ahead_s(c) / 4);
            error_clear(e);
            return true;
        }
    }
    return fetch_again(c, e) || fail_in(e, "credentials expired and cannot be renewed");
}

bool credentials_get(struct credentials *c, struct credential_keys *out, struct error *e)
{
    double now = clock_seconds();

    if (!c->is_resolved && !resolve(c, e))
        return false;
    if (c->keys.expires && now >= c->expires_s - ahead_s(c) && (now >= c->next_try_s || now >= c->expires_s) && !renew(c, e))
        return false;
    *out = (struct credential_keys){str_buf_text(&c->keys.access_key), str_buf_text(&c->keys.secret_key),
                                    str_buf_text(&c->keys.session_token)};
    return true;
}

bool credentials_renew(struct credentials *c, bool *changed, struct error *e)
{
    *changed = false;
    /* Static keys stay what they are, and those just fetched would only come back the same. */
    if (!c->is_resolved || !c->keys.expires || clock_seconds() - c->fetched_s < 1)
        return true;
    double before = c->fetched_s;
    if (!renew(c, e))
        return false;
    *changed = c->fetched_s > before;
    return true;
}

const char *credentials_source(const struct credentials *c, const char **why)
{
    if (why)
        *why = c->context.why_not;
    if (c->provider == N_PROVIDERS)
        return "anonymous";
    return c->context.source[0] ? c->context.source : providers[c->provider].name;
}

void credentials_allow_after_stop(struct credentials *c, double seconds)
{
    http_allow_after_stop(c->context.http, seconds);
    http_allow_after_stop(c->context.metadata_http, seconds);
}
