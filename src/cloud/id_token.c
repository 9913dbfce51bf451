#include "cloud/id_token.h"

#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/json.h"

#define PAYLOAD_MAX (16u << 10)
#define CLAIM_MAX 300          /* bytes shown */
#define EXP_MAX 253402300800ll /* the year 10000 */

/* Claims come from outside: bounded, and without what could end the quotes of a policy. */
static const char *claim(const struct json *json, const char *name, struct arena *a)
{
    const struct json *v = json_get(json, name);
    char *text = arena_strdup(a, json_string(json_kind(v) == JSON_ARRAY ? json_at(v, 0) : v, ""));
    if (strlen(text) > CLAIM_MAX)
        text[CLAIM_MAX] = 0;
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
            *c = '?';
    }
    return text;
}

bool id_token_read(const char *token, struct arena *a, struct id_token *out)
{
    struct str rest = str_of(token), part;
    struct str_buf payload = STR_BUF(PAYLOAD_MAX);
    struct error ignored;
    struct json *json = NULL;

    memset(out, 0, sizeof *out);
    bool ok = str_cut(&rest, '.', &part) && str_cut(&rest, '.', &part) && base64url_decode(part, &payload) &&
              json_parse(str_buf_view(&payload), "token", &json, &ignored);
    if (ok) {
        const char *repository = claim(json, "repository", a);
        *out = (struct id_token){
            .iss = claim(json, "iss", a),
            .sub = claim(json, "sub", a),
            .aud = claim(json, "aud", a),
            .repository = repository[0] ? repository : claim(json, "project_path", a),
            .ref = claim(json, "ref", a),
        };
        out->has_exp = json_int64(json_get(json, "exp"), &out->exp) && out->exp >= 0 && out->exp < EXP_MAX;
    }
    json_free(json);
    str_buf_free(&payload);
    return ok;
}

const char *id_token_claims(const struct id_token *t, struct arena *a)
{
    char when[CLOCK_RFC3339] = "none";
    if (t->has_exp)
        clock_rfc3339((time_t)t->exp, when);
    return arena_printf(a, "iss %s, sub %s, aud %s, exp %s%s%s%s%s", t->iss[0] ? t->iss : "none", t->sub[0] ? t->sub : "none",
                        t->aud[0] ? t->aud : "none", when, t->repository[0] ? ", repository " : "", t->repository,
                        t->ref[0] ? ", ref " : "", t->ref);
}

/* "arn:aws:iam::123456789012:role/x": field 1 is the partition, field 4 the account. */
static const char *arn_field(const char *arn, int n, const char *otherwise, struct arena *a)
{
    struct str rest = str_of(arn), field = {0};
    for (int i = 0; i <= n; i++) {
        if (!str_cut(&rest, ':', &field))
            return otherwise;
    }
    return field.n && field.n < 40 ? str_dup(a, field) : otherwise;
}

const char *id_token_trust_policy(const struct id_token *t, const char *role, struct arena *a)
{
    struct str iss = str_of(t->iss);
    if (str_starts(iss, "https://"))
        iss = str_slice(iss, 8, iss.n);
    else if (str_starts(iss, "http://"))
        iss = str_slice(iss, 7, iss.n);
    const char *provider = iss.n ? str_dup(a, iss) : "ISSUER";
    return arena_printf(a,
                        "{\"Effect\":\"Allow\",\"Principal\":{\"Federated\":\"arn:%s:iam::%s:oidc-provider/%s\"},\"Action\":"
                        "\"sts:AssumeRoleWithWebIdentity\",\"Condition\":{\"StringEquals\":{\"%s:aud\":\"%s\",\"%s:sub\":\"%s\"}}}",
                        arn_field(role, 1, "aws", a), arn_field(role, 4, "ACCOUNT", a), provider, provider, t->aud, provider,
                        t->sub);
}
