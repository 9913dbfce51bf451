/* Credentials of the machine we run on: the container endpoint (ECS, EKS) and the instance's metadata service. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cloud/provider.h"
#include "cloud/url.h"
#include "core/fs.h"

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

static bool explain(const struct service_error *said, struct error *e)
{
    struct error service = *e;
    return said->message[0] ? fail(e, service.code, "%s (%.300s)", service.message, said->message) : false;
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
    struct service_error said;
    struct str text;
    bool ok = true;
    static const char what[] = "the container's credentials";

    if (!relative[0] && !full[0])
        return true;
    r.url = relative[0] ? arena_printf(&a, "http://169.254.170.2%s", relative) : full;
    ok = container_is_allowed(r.url, &a, e);
    if (ok && file[0]) {
        ok = fs_read_file(file, SECRET_MAX, &a, &text, e) || fail_in(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        token = ok ? str_dup(&a, str_trim(text)) : "";
        if (!ok)
            e->code = ERR_CONFIG;
    }
    if (token[0])
        http_add_header(&r, "Authorization", token);
    ok = ok && (provider_request(p->metadata_http, &r, what, p->max_tries ? p->max_tries : 3, &a, &reply, &said, e) || explain(&said, e)) &&
         provider_read_json(p, &reply, what, out, e);
    *found = ok;
    arena_wipe(&a);
    return ok;
}

static const char *first_of(const char *a, const char *b)
{
    return a[0] ? a : b;
}

/* http://169.254.169.254, its IPv6 twin, or what the user says. */
static bool metadata_base(const struct provider_context *p, struct arena *a, const char **base, struct error *e)
{
    const char *own = first_of(provider_env(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT"), p->profile.metadata_endpoint);
    const char *mode = first_of(provider_env(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), p->profile.metadata_endpoint_mode);
    struct url u;

    if (own[0]) {
        struct str text = str_of(own);
        *base = str_dup(a, str_slice(text, 0, text.n - (str_ends(text, "/") ? 1 : 0)));
        return url_parse(own, "AWS_EC2_METADATA_SERVICE_ENDPOINT", a, &u, e);
    }
    bool is_v6 = strcasecmp(mode, "IPv6") == 0;
    *base = is_v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    return is_v6 || !mode[0] || strcasecmp(mode, "IPv4") == 0 ||
           fail(e, ERR_CONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: \"%.40s\" is neither IPv4 nor IPv6", mode);
}

/* A service that answers 5xx is there, so it is asked again; silence is not. */
static bool metadata_request(struct provider_context *p, const struct http_request *r, struct arena *a,
                             struct http_response *reply, struct error *e)
{
    static const char what[] = "the instance's metadata service";
    struct service_error said;
    if (provider_request(p->metadata_http, r, what, 1, a, reply, &said, e))
        return reply->body.n > 0 || fail(e, ERR_STORE, "%s: an empty reply", what);
    if (reply->status / 100 != 5)
        return explain(&said, e);
    error_clear(e);
    return provider_request(p->metadata_http, r, what, 3, a, reply, &said, e) || explain(&said, e);
}

bool provider_instance_required(struct provider_context *p, struct secret_keys *out, struct error *e)
{
    struct arena a = {0};
    struct http_request put = {.method = "PUT"}, get = {.method = "GET"};
    struct http_response reply = {0};
    struct str rest, role;
    const char *base;

    if (strcasecmp(provider_env(p, "AWS_EC2_METADATA_DISABLED"), "true") == 0)
        return fail(e, ERR_CONFIG, "the instance's metadata service is switched off (AWS_EC2_METADATA_DISABLED)");
    bool ok = metadata_base(p, &a, &base, e);
    if (ok) {
        put.url = arena_printf(&a, "%s/latest/api/token", base);
        http_add_header(&put, "X-aws-ec2-metadata-token-ttl-seconds", "21600");
        ok = metadata_request(p, &put, &a, &reply, e);
    }
    if (ok) {
        const char *folder = arena_printf(&a, "%s/latest/meta-data/iam/security-credentials/", base);
        get.url = folder;
        http_add_header(&get, "X-aws-ec2-metadata-token", str_dup(&a, str_trim(reply.body)));
        ok = metadata_request(p, &get, &a, &reply, e);
        if (!ok && reply.status == 404)
            ok = fail(e, ERR_STORE, "the instance has no role: attach an instance profile");
        rest = reply.body;
        if (ok && str_cut(&rest, '\n', &role)) {
            get.url = arena_printf(&a, "%s" STR_FMT, folder, STR_ARG(str_trim(role)));
            ok = metadata_request(p, &get, &a, &reply, e) &&
                 provider_read_json(p, &reply, "the instance's metadata service", out, e);
        }
    }
    arena_wipe(&a);
    return ok;
}

/* Silence here means that this is no such machine: one try, a second at most, then the next source. */
bool provider_instance(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct error why = {0};
    struct arena a = {0};
    const char *base;

    *found = provider_instance_required(p, out, &why);
    bool is_misconfigured = !*found && !metadata_base(p, &a, &base, e);
    arena_free(&a);
    if (why.code == ERR_STOPPED)
        return fail(e, ERR_STOPPED, "%s", why.message);
    return !is_misconfigured;
}
