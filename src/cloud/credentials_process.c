/* credential_process: another program prints the keys. Source: "Process credential provider" (AWS SDKs and Tools
 * Reference Guide). */
#include <string.h>

#include "cloud/provider.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process.h"

#define PROCESS_SECONDS 60.0 /* an SDK waits without an end; a CI job must not */

static const char what[] = "credential_process";

static bool read_keys(struct provider_context *p, const struct json *json, struct secret_keys *out, struct error *e)
{
    const char *access = json_string(json_get(json, "AccessKeyId"), "");
    const char *secret = json_string(json_get(json, "SecretAccessKey"), "");
    const char *token = json_string(json_get(json, "SessionToken"), "");
    const char *expiration = json_string(json_get(json, "Expiration"), "");
    const struct http_response no_reply = {0};
    int64_t version = 0;

    if (!json_int64(json_get(json, "Version"), &version) || version != 1)
        return fail(e, ERR_CONFIG, "%s: its output has no \"Version\": 1", what);
    if (!access[0] || !secret[0])
        return fail(e, ERR_CONFIG, "%s: its output has no AccessKeyId and SecretAccessKey", what);
    log_mask(secret);
    log_mask(token);
    secret_keys_set(out, access, secret, token);
    provider_set_expiry(p, &no_reply, expiration, out);
    if (expiration[0] && !out->expires)
        return fail(e, ERR_CONFIG, "%s: Expiration \"%.40s\" is not a time like 2026-11-21T08:15:30Z", what, expiration);
    if (out->expires && out->lifetime_s <= 0)
        return fail(e, ERR_STORE, "%s: its keys expired at %.40s already: log in again, or see whether this machine's clock is "
                    "right", what, expiration);
    return true;
}

bool provider_process(struct provider_context *p, const char *command, struct secret_keys *out, struct error *e)
{
    struct arena a = {0};
    char **argv, *text = arena_alloc(&a, SECRET_MAX);
    const char *why;
    struct process_result r;
    struct json *json = NULL;
    struct error bad;

    if (!process_split(command, &a, &argv, &why)) {
        arena_free(&a);
        return fail(e, ERR_CONFIG, "%s: %s", what, why);
    }
    bool ok = process_run(argv, PROCESS_SECONDS, text, SECRET_MAX, &r, e) || fail_in(e, "%s", what);
    if (!ok && e->code == ERR_INTERNAL)
        e->code = ERR_CONFIG;
    if (ok && r.status != 0)
        ok = fail(e, ERR_CONFIG, "%s: %.200s ended with %s %d: what it printed to standard error stands above", what, argv[0],
                  r.status < 0 ? "signal" : "exit status", r.status < 0 ? -r.status : r.status);
    /* Not the parser's message: what it could not read may be half a secret. */
    if (ok && !json_parse((struct str){text, r.n_bytes}, what, &json, &bad))
        ok = fail(e, ERR_CONFIG, "%s: %.200s prints no JSON object to standard output", what, argv[0]);
    ok = ok && read_keys(p, json, out, e);
    json_free(json);
    arena_wipe(&a);
    return ok;
}
