/* Keys of a profile of the shared files: its own, those that a program prints, or a session of its role, which may need
 * another profile's session first. Sources: "Assume role credential provider" (AWS SDKs and Tools Reference Guide) and the
 * cases of smithy-rs in tests/golden/credentials. */
#include <stdio.h>
#include <string.h>

#include "cloud/profile_files.h"
#include "cloud/sts.h"

#define CHAIN_MAX 16
#define MAX_ROLE_SECONDS 43200

/* The profiles whose roles are to be assumed, the last one first, and where the first keys come from. */
struct role_chain {
    const char *roles[CHAIN_MAX];
    size_t n;
    const char *base;     /* profile */
    bool base_has_source; /* its credential_source, else what the profile itself has */
    bool base_is_static;  /* only its own keys, though it has a role too */
};

static bool has_keys(const struct profile_files *f, const char *profile)
{
    return profile_get(f, profile, "aws_access_key_id")[0] || profile_get(f, profile, "aws_secret_access_key")[0];
}

static bool is_in(const struct role_chain *c, const char *profile)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->roles[i], profile) == 0)
            return true;
    }
    return false;
}

static bool follow_role(const struct profile_files *f, const char *profile, struct role_chain *c, const char **next,
                        struct error *e)
{
    const char *source = profile_get(f, profile, "source_profile"), *named = profile_get(f, profile, "credential_source");

    if (c->n == CHAIN_MAX)
        return fail(e, ERR_CONFIG, "profile %s: more than %d profiles in a row by source_profile", profile, CHAIN_MAX);
    if (source[0] && named[0])
        return fail(e, ERR_CONFIG, "profile %s has both source_profile and credential_source: keep one", profile);
    if (!source[0] && !named[0])
        return fail(e, ERR_CONFIG, "profile %s has a role_arn but says not by whom it is assumed: add source_profile, "
                    "credential_source or web_identity_token_file", profile);
    c->roles[c->n++] = profile;
    *next = named[0] || strcmp(source, profile) == 0 ? NULL : source;
    if (!*next) {
        c->base = profile;
        c->base_has_source = named[0] != 0;
        c->base_is_static = !named[0];
        return true;
    }
    if (is_in(c, source))
        return fail(e, ERR_CONFIG, "profile %s: source_profile leads round in a circle, back to %s", profile, source);
    return profile_exists(f, source) ||
           fail(e, ERR_CONFIG, "profile %s: its source_profile %s is neither in %s nor in %s", profile, source, f->config_path,
                f->credentials_path);
}

static bool follow(const struct profile_files *f, const char *selected, struct role_chain *c, struct error *e)
{
    for (const char *profile = selected; profile;) {
        /* Keys beside a role: of a source profile they are what is meant, of the one in use its role is. */
        c->base_is_static = c->n > 0 && has_keys(f, profile);
        c->base = profile;
        if (c->base_is_static || !profile_get(f, profile, "role_arn")[0] ||
            profile_get(f, profile, "web_identity_token_file")[0])
            return true;
        if (!follow_role(f, profile, c, &profile, e))
            return false;
    }
    return true;
}

static bool static_keys(const struct profile_files *f, const char *profile, struct secret_keys *out, bool *found, struct error *e)
{
    const char *access = profile_get(f, profile, "aws_access_key_id");
    const char *secret = profile_get(f, profile, "aws_secret_access_key");

    if (!access[0] && !secret[0])
        return true;
    if (!access[0] || !secret[0])
        return fail(e, ERR_CONFIG, "profile %s has %s but no %s", profile,
                    access[0] ? "aws_access_key_id" : "aws_secret_access_key",
                    access[0] ? "aws_secret_access_key" : "aws_access_key_id");
    secret_keys_set(out, access, secret, profile_get(f, profile, "aws_session_token"));
    *found = true;
    return true;
}

/* What "aws sso login" leaves behind is for a person at a screen. */
static bool has_sso(const struct profile_files *f, const char *profile)
{
    static const char *const names[] = {"sso_session", "sso_start_url", "sso_account_id", "sso_role_name"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (profile_get(f, profile, names[i])[0])
            return true;
    }
    return false;
}

static bool read_role(const struct profile_files *f, const char *profile, struct sts_role *out, struct error *e)
{
    const char *seconds = profile_get(f, profile, "duration_seconds");
    int64_t number = 0;

    *out = (struct sts_role){.arn = profile_get(f, profile, "role_arn"),
                             .session_name = profile_get(f, profile, "role_session_name"),
                             .external_id = profile_get(f, profile, "external_id")};
    if (profile_get(f, profile, "mfa_serial")[0])
        return fail(e, ERR_CONFIG, "profile %s has mfa_serial: nobody is here to type its code", profile);
    if (seconds[0] && (!str_to_int64(str_of(seconds), &number) || number < 1 || number > MAX_ROLE_SECONDS))
        return fail(e, ERR_CONFIG, "profile %s: duration_seconds is not a number of 1 to %d", profile, MAX_ROLE_SECONDS);
    out->seconds = (int)number;
    return true;
}

static bool token_of_profile(struct provider_context *p, const struct profile_files *f, const char *profile,
                             struct secret_keys *out, struct error *e)
{
    struct identity i = {IDENTITY_FILE, profile_get(f, profile, "web_identity_token_file")};
    struct sts_role role;

    if (!profile_get(f, profile, "role_arn")[0])
        return fail(e, ERR_CONFIG, "profile %s has a web_identity_token_file but no role_arn", profile);
    return read_role(f, profile, &role, e) && sts_assume_with_identity(p, &role, &i, out, e);
}

static bool named_source(struct provider_context *p, const char *profile, const char *source, struct secret_keys *out,
                         struct error *e)
{
    bool found = false;
    if (strcmp(source, "Ec2InstanceMetadata") == 0)
        return provider_instance_required(p, out, e);
    if (strcmp(source, "Environment") == 0)
        return provider_environment(p, out, &found, e) &&
               (found || fail(e, ERR_CONFIG, "profile %s: credential_source is Environment, but AWS_ACCESS_KEY_ID and "
                              "AWS_SECRET_ACCESS_KEY are not set", profile));
    if (strcmp(source, "EcsContainer") == 0)
        return provider_container(p, out, &found, e) &&
               (found || fail(e, ERR_CONFIG, "profile %s: credential_source is EcsContainer, but neither "
                              "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set", profile));
    return fail(e, ERR_CONFIG, "profile %s: credential_source is none of Environment, EcsContainer, Ec2InstanceMetadata",
                profile);
}

static bool base_keys(struct provider_context *p, const struct profile_files *f, const struct role_chain *c,
                      struct secret_keys *out, bool *found, struct error *e)
{
    const char *profile = c->base, *command = profile_get(f, profile, "credential_process");

    if (c->base_has_source) {
        *found = named_source(p, profile, profile_get(f, profile, "credential_source"), out, e);
        return *found;
    }
    if (!c->base_is_static && profile_get(f, profile, "web_identity_token_file")[0]) {
        *found = token_of_profile(p, f, profile, out, e);
        return *found;
    }
    if (!c->base_is_static && has_sso(f, profile))
        return fail(e, ERR_CONFIG, "profile %s logs in through IAM Identity Center (sso_...), which needs a person: give another "
                    "profile `credential_process = aws configure export-credentials --profile %s`, or use keys or a role",
                    profile, profile);
    if (!c->base_is_static && command[0]) {
        *found = provider_process(p, command, out, e) || fail_in(e, "profile %s", profile);
        return *found;
    }
    return static_keys(f, profile, out, found, e);
}

/* One session opens the next, from the base outwards. */
static bool assume_roles(struct provider_context *p, const struct profile_files *f, const struct role_chain *c,
                         struct secret_keys *out, struct error *e)
{
    bool ok = true;
    for (size_t i = c->n; ok && i-- > 0;) {
        struct secret_keys next = {0};
        struct sts_role role;
        char who[128];
        snprintf(who, sizeof who, "the keys of profile %.80s", i + 1 < c->n ? c->roles[i + 1] : c->base);
        ok = read_role(f, c->roles[i], &role, e) && sts_assume_role(p, &role, out, who, &next, e);
        secret_keys_wipe(out);
        *out = next;
    }
    return ok;
}

bool provider_profile(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct profile_files f;
    struct role_chain c = {0};
    bool is_named;
    const char *profile = profile_selected(p->getenv, &is_named);

    bool ok = profile_files_load(p->getenv, &f, e);
    if (ok && !is_named && has_sso(&f, profile) && !profile_get(&f, profile, "role_arn")[0]) {
        /* Nobody asked for it: a developer's login must not stand in the way of the next source. */
        snprintf(p->why_not, sizeof p->why_not, "the profile default logs in through IAM Identity Center, which needs a person");
    } else if (ok && profile_exists(&f, profile)) {
        ok = follow(&f, profile, &c, e) && base_keys(p, &f, &c, out, found, e);
        if (ok && !*found && c.n)
            ok = fail(e, ERR_CONFIG, "profile %s: there are no keys in profile %s", profile, c.base);
        ok = ok && (!*found || assume_roles(p, &f, &c, out, e));
        snprintf(p->source, sizeof p->source, "profile %.100s", profile);
    } else if (ok && is_named) {
        ok = fail(e, ERR_CONFIG, "AWS_PROFILE names %s, which is neither in %s nor in %s", profile, f.config_path,
                  f.credentials_path);
    }
    if (ok && !*found && is_named)
        snprintf(p->why_not, sizeof p->why_not, "the profile %.100s (AWS_PROFILE) has no keys and no role", profile);
    *found = *found && ok;
    profile_files_free(&f);
    return ok;
}
