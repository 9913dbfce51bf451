/* Credentials of the machine we run on: the container endpoint (ECS, EKS) and the instance's metadata service. */
#include <string.h>

#include "cloud/provider.h"
#include "cloud/retry.h"
#include "cloud/url.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/xml.h"

void provider_set_expiry(const struct http_response *r, const char *expiration, struct secret_keys *out)
{
    time_t then, now;

    if (!clock_parse_rfc3339(str_of(expiration), &then))
        return;
    if (!clock_parse_http(http_header(r, "Date"), &now))
        now = clock_now();
    out->expires = true;
    out->lifetime_s = then > now ? (double)(then - now) : 0;
}

bool provider_read_json(const struct http_response *r, const char *what, struct secret_keys *out, struct error *e)
{
    struct json *json;
    if (!json_parse(r->body, what, &json, e)) {
        e->code = ERR_STORE;
        return false;
    }
    const char *access = json_string(json_get(json, "AccessKeyId"), "");
    const char *secret = json_string(json_get(json, "SecretAccessKey"), "");
    const char *token = json_string(json_get(json, "Token"), "");
    bool ok = access[0] && secret[0];
    if (ok) {
        log_mask(secret);
        log_mask(token);
        secret_keys_set(out, access, secret, token);
        provider_set_expiry(r, json_string(json_get(json, "Expiration"), ""), out);
    } else {
        fail(e, ERR_STORE, "%s: the reply holds no credentials", what);
    }
    json_free(json);
    return ok;
}

struct call {
    const struct http_request *request;
    const char *what;
};

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    (void)a, (void)e;
    *r = *((struct call *)ctx)->request;
    return true;
}

/* <Error><Code>, as STS and S3 answer, or nothing. */
static const char *error_code(const struct http_response *r, struct arena *a)
{
    struct xml_node *root;
    struct error ignored;
    if (r->body.n == 0 || r->body.p[0] != '<' || !xml_parse(r->body, "reply", a, &root, &ignored))
        return "";
    const struct xml_node *inner = xml_get(root, "Error");
    return xml_text(inner ? inner : root, "Code", "");
}

static enum retry_kind judge(void *ctx, const struct http_response *r, struct arena *a, struct error *e)
{
    const struct call *c = ctx;
    const char *code = error_code(r, a);
    enum retry_kind kind = retry_classify(r->status, code);

    if (kind == RETRY_DONE)
        return kind;
    bool is_denied = r->status == 401 || r->status == 403;
    fail(e, kind == RETRY_LATER ? ERR_NET : ERR_STORE, "%s: the server answers %d%s%.60s%s", c->what, r->status,
         code[0] ? " " : "", code,
         is_denied ? ": check role-to-assume, the role's trust policy (audience, subject) and that the job's token is not "
                     "over (GitHub's ends after 6 hours)"
                   : "");
    return kind;
}

bool provider_request(struct http *h, const struct http_request *r, const char *what, int max_tries, struct arena *a,
                      struct http_response *out, struct error *e)
{
    struct call call = {r, what};
    struct retry t = {.prepare = prepare, .judge = judge, .ctx = &call, .max_tries = max_tries};
    return retry_run(&t, h, a, out, e);
}

static bool container_is_allowed(const char *url, struct arena *a, struct error *e)
{
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    struct url u;
    if (!url_parse(url, "AWS_CONTAINER_CREDENTIALS_FULL_URI", a, &u, e))
        return false;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (strcmp(u.host, hosts[i]) == 0)
            return true;
    }
    return u.is_https || url_host_is_loopback(u.host) ||
           fail(e, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI: %s is neither https nor this machine", u.host);
}

bool provider_container(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct arena a = {0};
    const char *relative = provider_env(p, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = provider_env(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *file = provider_env(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = provider_env(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct http_request r = {.method = "GET"};
    struct http_response reply = {0};
    struct str text;
    bool ok = true;

    if (!relative[0] && !full[0])
        return true;
    r.url = relative[0] ? arena_printf(&a, "http://169.254.170.2%s", relative) : full;
    ok = container_is_allowed(r.url, &a, e);
    if (ok && file[0]) {
        ok = fs_read_file(file, SECRET_MAX, &a, &text, e);
        token = ok ? str_dup(&a, str_trim(text)) : "";
    }
    if (token[0])
        http_add_header(&r, "Authorization", token);
    ok = ok && provider_request(p->metadata_http, &r, "the container's credentials", 3, &a, &reply, e) &&
         provider_read_json(&reply, "the container's credentials", out, e);
    *found = ok;
    arena_free(&a);
    return ok;
}

/* Silence here means that this is no such machine: one try, a second at most, then the next source. */
bool provider_instance(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct arena a = {0};
    const char *own = provider_env(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT"), *what = "the instance's credentials";
    const char *base = own[0] ? own : "http://169.254.169.254";
    struct http_request r = {.method = "PUT"};
    struct http_response reply = {0};
    struct error ignored = {0};

    if (str_is(str_of(provider_env(p, "AWS_EC2_METADATA_DISABLED")), "true"))
        return true;
    r.url = arena_printf(&a, "%s/latest/api/token", base);
    http_add_header(&r, "X-aws-ec2-metadata-token-ttl-seconds", "21600");
    if (provider_request(p->metadata_http, &r, what, 1, &a, &reply, &ignored) && reply.body.n && reply.body.n < 1024) {
        const char *role_url = arena_printf(&a, "%s/latest/meta-data/iam/security-credentials/", base);
        struct http_request get = {.method = "GET", .url = role_url};
        http_add_header(&get, "X-aws-ec2-metadata-token", str_dup(&a, str_trim(reply.body)));
        if (provider_request(p->metadata_http, &get, what, 2, &a, &reply, &ignored) && reply.body.n) {
            struct str rest = reply.body, role;
            str_cut(&rest, '\n', &role);
            get.url = arena_printf(&a, "%s" STR_FMT, role_url, STR_ARG(str_trim(role)));
            *found = provider_request(p->metadata_http, &get, what, 3, &a, &reply, &ignored) &&
                     provider_read_json(&reply, what, out, &ignored);
        }
    }
    arena_free(&a);
    if (ignored.code == ERR_STOPPED)
        return fail(e, ERR_STOPPED, "%s", ignored.message);
    return true;
}
