#include "cloud/credentials.h"

#include <math.h>
#include <string.h>

#include "cloud/provider.h"
#include "core/clock.h"
#include "core/log.h"

#define RENEW_AHEAD_S 600.0
#define RENEW_PAUSE_S 20.0 /* between two failed renewals while the old ones last */

static const struct {
    const char *name;
    provider_fn fetch;
} providers[] = {
    {"environment", provider_environment},
    {"web identity", provider_web_identity},
    {"shared credentials file", provider_shared_file},
    {"container endpoint", provider_container},
    {"instance metadata", provider_instance},
};
#define N_PROVIDERS (sizeof providers / sizeof *providers)

struct credentials {
    struct arena arena;
    struct provider_context context;
    struct secret_keys keys;
    bool is_resolved;
    size_t provider; /* N_PROVIDERS = anonymous */
    double fetched_s, expires_s, next_try_s; /* monotonic */
};

const char *provider_env(const struct provider_context *p, const char *name)
{
    const char *value = p->getenv ? p->getenv(name) : NULL;
    return value ? value : "";
}

static void wipe(struct str_buf *b)
{
    if (b->p)
        secure_wipe(b->p, b->cap);
    str_buf_free(b);
}

void secret_keys_wipe(struct secret_keys *k)
{
    wipe(&k->access_key);
    wipe(&k->secret_key);
    wipe(&k->session_token);
    memset(k, 0, sizeof *k);
}

/* One append each: a growing buffer would leave copies behind. */
void secret_keys_set(struct secret_keys *k, const char *access_key, const char *secret_key, const char *session_token)
{
    secret_keys_wipe(k);
    k->access_key = k->secret_key = k->session_token = STR_BUF(SECRET_MAX);
    str_buf_add(&k->access_key, str_trim(str_of(access_key)));
    str_buf_add(&k->secret_key, str_trim(str_of(secret_key)));
    str_buf_add(&k->session_token, str_trim(str_of(session_token)));
}

bool provider_environment(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    const char *access = provider_env(p, "AWS_ACCESS_KEY_ID"), *secret = provider_env(p, "AWS_SECRET_ACCESS_KEY");

    if (!access[0] && !secret[0])
        return true;
    if (!access[0] || !secret[0])
        return fail(e, ERR_CONFIG, "%s is set but %s is not: set both, or neither",
                    access[0] ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                    access[0] ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    secret_keys_set(out, access, secret, provider_env(p, "AWS_SESSION_TOKEN"));
    *found = true;
    return true;
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

    *out = NULL;
    p->getenv = o->getenv;
    p->role = kept(&c->arena, o->role);
    p->audience = kept(&c->arena, o->audience && o->audience[0] ? o->audience : "sts.amazonaws.com");
    p->region = kept(&c->arena, o->region);
    p->endpoint_url = kept(&c->arena, o->endpoint_url);
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

static bool fetch(struct credentials *c, size_t provider, bool *found, struct error *e)
{
    struct secret_keys fresh = {0};

    *found = false;
    bool ok = providers[provider].fetch(&c->context, &fresh, found, e);
    if (!ok || !*found) {
        secret_keys_wipe(&fresh);
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
    for (c->provider = 0; c->provider < N_PROVIDERS; c->provider++) {
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
    return true;
}

static bool renew(struct credentials *c, struct error *e)
{
    double now = clock_seconds();
    bool found;

    error_clear(e);
    if (fetch(c, c->provider, &found, e) && found)
        return true;
    if (e->code == ERR_NONE)
        fail(e, ERR_STORE, "the %s has no credentials any more", providers[c->provider].name);
    if (now >= c->expires_s)
        return fail_in(e, "credentials expired and cannot be renewed");
    log_warning("credentials cannot be renewed yet: %s", e->message);
    c->next_try_s = now + RENEW_PAUSE_S;
    error_clear(e);
    return true;
}

bool credentials_get(struct credentials *c, struct credential_keys *out, struct error *e)
{
    double now = clock_seconds();

    if (!c->is_resolved && !resolve(c, e))
        return false;
    double ahead = fmin(RENEW_AHEAD_S, c->keys.lifetime_s / 4);
    if (c->keys.expires && now >= c->expires_s - ahead && (now >= c->next_try_s || now >= c->expires_s) && !renew(c, e))
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
    return c->provider < N_PROVIDERS ? providers[c->provider].name : "anonymous";
}

void credentials_allow_after_stop(struct credentials *c, double seconds)
{
    http_allow_after_stop(c->context.http, seconds);
    http_allow_after_stop(c->context.metadata_http, seconds);
}
