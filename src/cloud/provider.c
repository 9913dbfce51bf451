/* What all sources of credentials share: keys that are wiped, requests, and replies in JSON. */
#include "cloud/provider.h"

#include <string.h>

#include "cloud/retry.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/xml.h"

const char *provider_env(const struct provider_context *p, const char *name)
{
    const char *value = p->getenv ? p->getenv(name) : NULL;
    return value && str_trim(str_of(value)).n ? value : "";
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

void provider_set_expiry(const struct provider_context *p, const struct http_response *r, const char *expiration,
                         struct secret_keys *out)
{
    time_t then, now;

    if (!clock_parse_rfc3339(str_of(expiration), &then))
        return;
    if (!clock_parse_http(http_header(r, "Date"), &now))
        now = p->now();
    out->expires = true;
    out->lifetime_s = then > now ? (double)(then - now) : 0;
}

/* The instance's service answers 200 with a code where it has no keys for the role. */
static bool no_keys(const struct json *json, const char *what, struct error *e)
{
    const char *code = json_string(json_get(json, "Code"), ""), *message = json_string(json_get(json, "Message"), "");
    if (!code[0] || !strcmp(code, "Success"))
        return fail(e, ERR_STORE, "%s: the reply holds no credentials", what);
    return fail(e, ERR_STORE, "%s: the service answers %.80s%s%.200s", what, code, message[0] ? ": " : "", message);
}

bool provider_read_json(const struct provider_context *p, const struct http_response *r, const char *what,
                        struct secret_keys *out, struct error *e)
{
    struct json *json;
    struct error bad;
    /* Not the parser's message: what it could not read may be half a secret. */
    if (!json_parse(r->body, what, &json, &bad))
        return fail(e, ERR_STORE, "%s: the reply is not JSON", what);
    const char *access = json_string(json_get(json, "AccessKeyId"), "");
    const char *secret = json_string(json_get(json, "SecretAccessKey"), "");
    const char *token = json_string(json_get(json, "Token"), "");
    bool ok = (access[0] && secret[0]) || no_keys(json, what, e);
    if (ok) {
        log_mask(secret);
        log_mask(token);
        secret_keys_set(out, access, secret, token);
        provider_set_expiry(p, r, json_string(json_get(json, "Expiration"), ""), out);
    }
    json_free(json);
    return ok;
}

struct call {
    const struct http_request *request;
    const char *what;
    struct service_error *said;
};

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    (void)a, (void)e;
    *r = *((struct call *)ctx)->request;
    return true;
}

struct service_error provider_read_error(const struct http_response *r, struct arena *a)
{
    struct service_error out = {"", ""};
    struct xml_node *root;
    struct json *json;
    struct error ignored;
    struct str body = str_trim(r->body);

    if (body.n && body.p[0] == '<' && xml_parse(body, "reply", a, &root, &ignored)) {
        const struct xml_node *inner = xml_get(root, "Error");
        out = (struct service_error){xml_text(inner ? inner : root, "Code", ""), xml_text(inner ? inner : root, "Message", "")};
    } else if (body.n && body.p[0] == '{' && json_parse(body, "reply", &json, &ignored)) {
        const struct json *inner = json_get(json, "Error");
        const char *const names[2][2] = {{"code", "message"}, {"Code", "Message"}};
        out = (struct service_error){arena_strdup(a, json_string(json_get(inner ? inner : json, names[!!inner][0]), "")),
                                     arena_strdup(a, json_string(json_get(inner ? inner : json, names[!!inner][1]), ""))};
        json_free(json);
    }
    return out;
}

static enum retry_kind judge(void *ctx, const struct http_response *r, struct arena *a, struct error *e)
{
    const struct call *c = ctx;
    struct service_error said = provider_read_error(r, a);
    enum retry_kind kind = retry_classify(r->status, said.code);

    if (kind == RETRY_DONE)
        return kind;
    if (c->said)
        *c->said = said;
    fail(e, kind == RETRY_LATER ? ERR_NET : ERR_STORE, "%s: the server answers %d%s%.60s", c->what, r->status,
         said.code[0] ? " " : "", said.code);
    return kind;
}

bool provider_request(struct http *h, const struct http_request *r, const char *what, int max_tries, struct arena *a,
                      struct http_response *out, struct service_error *said, struct error *e)
{
    struct call call = {r, what, said};
    struct retry t = {.prepare = prepare, .judge = judge, .ctx = &call, .max_tries = max_tries};
    if (said)
        *said = (struct service_error){"", ""};
    if (retry_run(&t, h, a, out, e))
        return true;
    /* A connection's error does not know whose request it was. */
    return strstr(e->message, what) ? false : fail_in(e, "%s", what);
}
