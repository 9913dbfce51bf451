/* The chain of credentials against the cases of the AWS SDK for Rust (tests/golden/credentials/): environment, files and
 * recorded traffic in, keys out. This program brings its own http_send and so is linked without src/cloud/http.c: it
 * sees every request before it would go anywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloud/credentials.h"
#include "cloud/profile_files.h"
#include "core/fs.h"
#include "core/json.h"
#include "unit.h"

#define GOLDEN "tests/golden/credentials/smithy-rs.json"

static struct arena arena;
static struct error err;
static struct json *golden;
static char folder[64];
static const struct json *env_now; /* the case's variables */
static time_t time_now;

/* ---- the transport: what it sees goes to `seen`, what it answers is the test's ---------------------------------- */

static struct str_buf seen;
static bool (*answer)(const struct http_request *r, struct http_response *out);

struct http {
    int unused;
};
static struct http the_http;

bool http_open(const struct http_options *o, struct http **out, struct error *e)
{
    (void)o, (void)e;
    *out = &the_http;
    return true;
}

void http_close(struct http *h)
{
    (void)h;
}

void http_allow_after_stop(struct http *h, double seconds)
{
    (void)h, (void)seconds;
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    r->headers[r->n_headers++] = (struct http_header){name, value};
}

static const char *header_of(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    }
    return "";
}

struct str http_header(const struct http_response *r, const char *name)
{
    struct str rest = r->headers, line, field;
    while (str_cut(&rest, '\n', &line)) {
        if (str_cut(&line, ':', &field) && field.n == strlen(name) && strncasecmp(field.p, name, field.n) == 0)
            return str_trim(line);
    }
    return (struct str){0};
}

bool http_send(struct http *h, const struct http_request *r, struct arena *a, struct http_response *out, struct error *e)
{
    (void)h, (void)a;
    memset(out, 0, sizeof *out);
    return answer(r, out) || fail(e, ERR_NET, "there is no such service");
}

/* ---- the surroundings ---------------------------------------------------------------------------------------------- */

static time_t fake_now(void)
{
    return time_now;
}

/* Paths of the case are below the test's folder. */
static const char *moved(const char *path)
{
    return path[0] == '/' ? arena_printf(&arena, "%s%s", folder, path) : path;
}

static const char *fake_env(const char *name)
{
    static const char *const paths[] = {"HOME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONFIG_FILE"};
    const char *value = json_string(json_get(env_now, name), NULL);
    if (strcmp(name, "PATH") == 0)
        return getenv("PATH");
    for (size_t i = 0; value && i < COUNT(paths); i++) {
        if (strcmp(name, paths[i]) == 0)
            return strcmp(name, "AWS_CONFIG_FILE") ? moved(value) : arena_printf(&arena, "%s/%s", folder, value);
    }
    return value;
}

static bool write_file(const char *name, const struct json *v, void *ctx)
{
    (void)ctx;
    char *path = arena_printf(&arena, "%s/%s", folder, name), *text = arena_strdup(&arena, json_string(v, "")), *at;
    struct str_buf all = STR_BUF(1 << 20);
    while ((at = strstr(text, "/token.jwt")) != NULL) { /* the files name each other */
        str_buf_addn(&all, text, (size_t)(at - text));
        str_buf_printf(&all, "%s/token.jwt", folder);
        text = at + strlen("/token.jwt");
    }
    str_buf_adds(&all, text);
    assert_true(fs_mkdirs(fs_dir(&arena, path), &err));
    assert_true(fs_write_atomic(path, str_buf_view(&all), &err));
    str_buf_free(&all);
    return true;
}

static void make_surroundings(const struct json *env, const struct json *files)
{
    assert_true(fs_remove_tree(folder, &err) && fs_mkdirs(folder, &err));
    env_now = env;
    json_each(files, write_file, NULL);
    str_buf_clear(&seen);
}

/* "access/secret/token", "anonymous: why" or "error: ..." */
static const char *ask(void)
{
    struct credentials_options o = {.getenv = fake_env, .now = fake_now};
    struct profile_settings profile;
    struct credentials *c;
    struct credential_keys k;
    const char *out, *why;

    if (!profile_settings(fake_env, &arena, &profile, &err))
        return arena_printf(&arena, "error: %s", err.message);
    o.region = fake_env("AWS_REGION");
    if (!o.region)
        o.region = profile.region[0] ? profile.region : "us-east-1";
    assert_true(credentials_open(&o, &c, &err));
    if (!credentials_get(c, &k, &err))
        out = arena_printf(&arena, "error: %s", err.message);
    else if (!k.access_key[0])
        out = credentials_source(c, &why) ? arena_printf(&arena, "anonymous: %s", why) : "";
    else
        out = arena_printf(&arena, "%s/%s/%s", k.access_key, k.secret_key, k.session_token);
    credentials_close(c);
    return out;
}

static const char *text_of(const struct json *object, const char *name)
{
    return json_string(json_get(object, name), "");
}

/* ---- recorded traffic -------------------------------------------------------------------------------------------- */

static const struct json *traffic;
static size_t n_calls;

static const char *signed_by(const struct http_request *r)
{
    struct str rest = str_of(header_of(r, "Authorization")), key;
    if (!str_starts(rest, "AWS4-HMAC-SHA256 Credential="))
        return "";
    rest = str_slice(rest, strlen("AWS4-HMAC-SHA256 Credential="), rest.n);
    return str_cut(&rest, '/', &key) ? str_dup(&arena, key) : "";
}

/* The recording's request must be ours; a difference is said, and fails the case. */
static bool replay(const struct http_request *r, struct http_response *out)
{
    const struct json *call = json_at(traffic, n_calls++);
    struct str form = r->body, action = {0};
    const char *uri = text_of(call, "uri");
    size_t n = strlen(uri);

    str_cut(&form, '&', &action);
    bool is_same = strcmp(r->method, text_of(call, "method")) == 0 &&
                   /* the recorder left the root's slash off */
                   (strcmp(r->url, uri) == 0 || (strncmp(r->url, uri, n) == 0 && strcmp(r->url + n, "/") == 0)) &&
                   str_is(action, text_of(call, "form")) && strcmp(signed_by(r), text_of(call, "signed_by")) == 0 &&
                   (!text_of(call, "authorization")[0] ||
                    strcmp(header_of(r, "Authorization"), text_of(call, "authorization")) == 0);
    if (!is_same)
        str_buf_printf(&seen, "request %zu is %s %s %.*s signed by \"%s\", not %s %s %s signed by \"%s\"; ", n_calls, r->method,
                       r->url, STR_ARG(action), signed_by(r), text_of(call, "method"), uri, text_of(call, "form"),
                       text_of(call, "signed_by"));
    double status = json_number(json_get(call, "status"), 0);
    out->status = (int)status;
    out->body = str_of(text_of(call, "body"));
    const char *date = text_of(json_get(call, "headers"), "date");
    out->headers = str_of(arena_printf(&arena, "HTTP/1.1 %d\r\n%s%s\r\n", out->status, date[0] ? "date: " : "", date));
    return is_same && out->status;
}

static void test_chain(void **state)
{
    (void)state;
    const struct json *cases = json_get(golden, "chain");
    int n_failed = 0;
    for (size_t i = 0; i < json_len(cases); i++) {
        const struct json *c = json_at(cases, i), *keys = json_get(c, "keys");
        int64_t expiry = 1629000000;
        if (json_int64(json_get(keys, "expiry"), &expiry))
            expiry -= 3600;
        time_now = (time_t)expiry;
        make_surroundings(json_get(c, "env"), json_get(c, "files"));
        traffic = json_get(c, "traffic");
        n_calls = 0;
        answer = replay;
        const char *got = ask(), *want = "";
        bool ok = seen.n == 0 && n_calls == json_len(traffic);
        if (json_kind(keys) == JSON_OBJECT) {
            want = arena_printf(&arena, "%s/%s/%s", text_of(keys, "access_key_id"), text_of(keys, "secret_access_key"),
                                text_of(keys, "session_token"));
            ok = ok && strcmp(got, want) == 0;
        } else {
            want = text_of(c, "error"); /* in that program's words */
            ok = ok && (str_starts(str_of(got), "error: ") || str_starts(str_of(got), "anonymous"));
        }
        print_message("# %s: %s\n", text_of(c, "name"), got);
        if (!ok)
            print_error("%s: %s, not %s; %s%zu of %zu requests\n", text_of(c, "name"), got, want, str_buf_text(&seen), n_calls,
                        json_len(traffic));
        n_failed += !ok;
    }
    assert_true(json_len(cases) > 30);
    assert_int_equal(n_failed, 0);
}

/* ---- from a profile to keys and roles --------------------------------------------------------------------------- */

static const char *form_field(struct str form, const char *name)
{
    struct str pair, key;
    while (str_cut(&form, '&', &pair)) {
        if (str_cut(&pair, '=', &key) && str_is(key, name)) {
            struct str_buf text = STR_BUF(4096);
            for (size_t i = 0; i < pair.n; i++) {
                unsigned value = 0;
                if (pair.p[i] == '%' && i + 2 < pair.n && sscanf(pair.p + i + 1, "%2x", &value) == 1) {
                    str_buf_addc(&text, (char)value);
                    i += 2;
                } else {
                    str_buf_addc(&text, pair.p[i]);
                }
            }
            const char *copy = arena_strdup(&arena, str_buf_text(&text));
            str_buf_free(&text);
            return copy;
        }
    }
    return "";
}

static void show_role(const char *arn, const char *name, const char *external_id)
{
    bool is_ours = strcmp(name, "retrain") == 0;
    str_buf_printf(&seen, "role %s name %s external %s; ", arn, is_ours ? "" : name, external_id);
}

/* Every service at once: it writes down what is wanted and gives new keys. */
static bool any_service(const struct http_request *r, struct http_response *out)
{
    out->status = 200;
    if (strstr(r->url, "169.254.169.254")) {
        bool is_keys = str_ends(str_of(r->url), "/node-role");
        if (is_keys)
            str_buf_adds(&seen, "source Ec2InstanceMetadata; ");
        out->body = is_keys ? STR_LIT("{\"AccessKeyId\": \"N\", \"SecretAccessKey\": \"N\", \"Token\": \"N\"}")
                            : STR_LIT("node-role");
        return true;
    }
    const char *token = form_field(r->body, "WebIdentityToken"), *by = signed_by(r);
    if (token[0])
        str_buf_printf(&seen, "token %s; ", token);
    else if (strcmp(by, "S") != 0 && strcmp(by, "N") != 0)
        str_buf_printf(&seen, "keys %s; ", by);
    show_role(form_field(r->body, "RoleArn"), form_field(r->body, "RoleSessionName"), form_field(r->body, "ExternalId"));
    out->body = str_of(arena_printf(
        &arena, "<R><%sResult><Credentials><AccessKeyId>S</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
                "<SessionToken>S</SessionToken></Credentials></%sResult></R>",
        form_field(r->body, "Action"), form_field(r->body, "Action")));
    return true;
}

static const char *wanted_steps(const struct json *steps)
{
    const char *text = "";
    for (size_t i = 0; i < json_len(steps); i++) {
        const struct json *step = json_at(steps, i), *v;
        const char *one = "";
        if ((v = json_get(step, "AccessKey")) != NULL)
            one = arena_printf(&arena, "keys %s; ", text_of(v, "access_key_id"));
        else if ((v = json_get(step, "NamedSource")) != NULL)
            one = arena_printf(&arena, "source %s; ", json_string(v, ""));
        else if ((v = json_get(step, "AssumeRole")) != NULL || (v = json_get(step, "WebIdentityToken")) != NULL)
            one = arena_printf(&arena, "%srole %s name %s external %s; ", json_get(step, "AssumeRole") ? "" : "token the-token; ",
                               text_of(v, "role_arn"), text_of(v, "role_session_name"), text_of(v, "external_id"));
        text = arena_printf(&arena, "%s%s", text, one);
    }
    return text;
}

static void test_profiles(void **state)
{
    (void)state;
    const struct json *cases = json_get(golden, "profiles");
    int n_failed = 0;
    for (size_t i = 0; i < json_len(cases); i++) {
        const struct json *c = json_at(cases, i);
        struct json *env = json_new_object(), *files = json_new_object();
        json_set(env, "HOME", json_new_string("/home"));
        json_set(env, "AWS_PROFILE", json_new_string(text_of(c, "profile")));
        json_set(files, "/home/.aws/config", json_new_string(text_of(c, "config")));
        make_surroundings(env, files);
        char *config = arena_printf(&arena, "%s/home/.aws/config", folder), *token = arena_printf(&arena, "%s/token", folder);
        /* "/var/token.jwt" became another path on the way; it is this one */
        struct str text;
        assert_true(fs_read_file(config, 1 << 20, &arena, &text, &err));
        char *at = strstr(text.p, "/var");
        if (at)
            assert_true(fs_write_atomic(config, str_of(arena_printf(&arena, "%.*s%s%s", (int)(at - text.p), text.p, token,
                                                                    at + strcspn(at, "\n"))), &err));
        assert_true(fs_write_atomic(token, STR_LIT("the-token"), &err));
        answer = any_service;
        time_now = 1629000000;
        const char *got = ask(), *want = wanted_steps(json_get(c, "chain"));
        bool is_error = text_of(c, "error")[0] != 0, is_refused = str_starts(str_of(got), "error: ") ||
                        str_starts(str_of(got), "anonymous: the profile A");
        bool is_static = !is_error && json_len(json_get(c, "chain")) == 1 && str_starts(str_of(want), "keys ");
        bool ok = is_error ? is_refused : !is_refused && (is_static || strcmp(str_buf_text(&seen), want) == 0);
        print_message("# %s: %s\n", text_of(c, "docs"), is_error ? got : str_buf_text(&seen));
        if (!ok)
            print_error("%s: got %s (%s), want %s%s\n", text_of(c, "docs"), str_buf_text(&seen), got, want, text_of(c, "error"));
        n_failed += !ok;
        json_free(env);
        json_free(files);
    }
    assert_true(json_len(cases) > 20);
    assert_int_equal(n_failed, 0);
}

/* ---- the files' format -------------------------------------------------------------------------------------------- */

struct compared {
    const struct profile_files *files;
    const char *profile;
    int n_wrong;
};

static bool compare_value(const char *name, const struct json *v, void *ctx)
{
    struct compared *c = ctx;
    const char *got = profile_get(c->files, c->profile, name);
    if (strcmp(got, json_string(v, "")) != 0) {
        print_error("%s.%s is \"%s\", not \"%s\"\n", c->profile, name, got, json_string(v, ""));
        c->n_wrong++;
    }
    return true;
}

static bool compare_profile(const char *name, const struct json *v, void *ctx)
{
    struct compared *c = ctx;
    c->profile = name;
    c->n_wrong += !profile_exists(c->files, name);
    json_each(v, compare_value, c);
    return true;
}

/* No section may be a profile that is not in the list. */
static void find_unwanted(const struct ini_section *s, const struct json *profiles, struct compared *c)
{
    for (; s; s = s->next) {
        const char *blank = strpbrk(s->name, " \t"), *names[2] = {s->name, blank ? blank + 1 : s->name};
        for (int i = 0; i < 2; i++)
            c->n_wrong += profile_exists(c->files, names[i]) && !json_get(profiles, names[i]);
    }
}

static void test_files(void **state)
{
    (void)state;
    const struct json *cases = json_get(golden, "files");
    int n_failed = 0;
    for (size_t i = 0; i < json_len(cases); i++) {
        const struct json *c = json_at(cases, i), *in = json_get(c, "input"), *out = json_get(c, "output");
        const struct json *profiles = json_get(json_get(out, "config"), "profiles");
        struct profile_files f;
        bool ok = profile_files_parse(json_string(json_get(in, "configFile"), NULL),
                                      json_string(json_get(in, "credentialsFile"), NULL), &f, &err);
        if (!profiles) {
            ok = !ok && err.code == ERR_CONFIG && strstr(err.message, "config:");
        } else if (ok) {
            struct compared compared = {.files = &f};
            json_each(profiles, compare_profile, &compared);
            find_unwanted(f.config, profiles, &compared);
            find_unwanted(f.credentials, profiles, &compared);
            ok = compared.n_wrong == 0;
            /* "[profile default]" puts values of "[default]" out of force */
            const struct json *is_default = json_get(profiles, "default");
            if (is_default && !json_get(is_default, "name2"))
                ok = ok && !profile_get(&f, "default", "name2")[0];
        }
        if (!ok)
            print_error("%s: %s\n", text_of(c, "name"), err.message);
        n_failed += !ok;
        profile_files_free(&f);
    }
    assert_true(json_len(cases) > 50);
    assert_int_equal(n_failed, 0);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------ */

static bool first_address(const struct http_request *r, struct http_response *out)
{
    if (seen.n == 0)
        str_buf_adds(&seen, r->url);
    out->status = 404;
    return true;
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const kinds[] = {"container", "instance"};
    int n_failed = 0;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        const struct json *cases = json_get(golden, kinds[k]);
        for (size_t i = 0; i < json_len(cases); i++) {
            const struct json *c = json_at(cases, i), *result = json_get(c, "result");
            make_surroundings(json_get(c, "env"), json_get(c, "fs"));
            answer = first_address;
            const char *got = ask(), *want = text_of(result, "Ok");
            /* Without a container's variables the instance is asked. */
            bool is_elsewhere = k == 0 && strstr(str_buf_text(&seen), "169.254.169.254");
            bool ok = want[0] ? strcmp(str_buf_text(&seen), want) == 0 : is_elsewhere || str_starts(str_of(got), "error: ");
            if (!ok)
                print_error("%s: asks %s (%s), want %s\n", text_of(c, "docs"), str_buf_text(&seen), got, want);
            n_failed += !ok;
        }
        assert_true(json_len(cases) > 8);
    }
    assert_int_equal(n_failed, 0);
}

/* ---- role-to-assume ------------------------------------------------------------------------------------------------- */

static bool no_token;

/* GitHub's token service and STS; each says what it was asked. */
static bool ci_services(const struct http_request *r, struct http_response *out)
{
    out->status = 200;
    if (strstr(r->url, "github.example")) {
        str_buf_printf(&seen, "GitHub %s; ", strstr(r->url, "audience="));
        out->status = no_token ? 401 : 200;
        /* {"iss":"https://token.actions.githubusercontent.com","sub":"repo:o/r:ref:refs/heads/main",
         *  "aud":"sts.amazonaws.com","exp":1629003600,"repository":"o/r","ref":"refs/heads/main"} */
        out->body = STR_LIT("{\"value\": \"eyJhbGciOiJSUzI1NiJ9."
                            "eyJpc3MiOiJodHRwczovL3Rva2VuLmFjdGlvbnMuZ2l0aHVidXNlcmNvbnRlbnQuY29tIiwic3ViIjoicmVwbzpvL3I6cmVmOnJlZnMvaG"
                            "VhZHMvbWFpbiIsImF1ZCI6InN0cy5hbWF6b25hd3MuY29tIiwiZXhwIjoxNjI5MDAzNjAwLCJyZXBvc2l0b3J5Ijoiby9yIiwicmVmIjoi"
                            "cmVmcy9oZWFkcy9tYWluIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg\"}");
        return true;
    }
    if (strcmp(form_field(r->body, "RoleArn"), "arn:aws:iam::123456789012:role/refused") == 0) {
        out->status = 403;
        out->body = STR_LIT("<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
                            "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>");
        return true;
    }
    str_buf_printf(&seen, "%s seconds %s; ", form_field(r->body, "Action"), form_field(r->body, "DurationSeconds"));
    return any_service(r, out);
}

static const char *ask_with_role(const char *role, const char *variables)
{
    struct credentials_options o = {.getenv = fake_env, .now = fake_now, .role = role, .role_seconds = 7200, .region = "eu-west-1"};
    struct credentials *c;
    struct credential_keys k;
    struct json *env = NULL;
    assert_true(json_parse(str_of(variables), "variables", &env, &err));
    make_surroundings(env, NULL);
    assert_true(credentials_open(&o, &c, &err));
    bool ok = credentials_get(c, &k, &err);
    const char *got = ok ? arena_printf(&arena, "%s from %s", k.access_key, credentials_source(c, NULL)) : err.message;
    credentials_close(c);
    json_free(env);
    return got;
}

#define GITHUB "\"ACTIONS_ID_TOKEN_REQUEST_URL\": \"https://github.example/t?v=1\", \"ACTIONS_ID_TOKEN_REQUEST_TOKEN\": \"x\""
#define KEYS "\"AWS_ACCESS_KEY_ID\": \"AKIA\", \"AWS_SECRET_ACCESS_KEY\": \"secretsecret\", \"AWS_EC2_METADATA_DISABLED\": \"true\""
#define ROLE "arn:aws:iam::123456789012:role/ci"

static void test_role(void **state)
{
    (void)state;
    answer = ci_services;
    time_now = 1629000000;
    no_token = false;
    assert_string_equal(ask_with_role(ROLE, "{" KEYS "}"), "S from role-to-assume by the keys of the environment");
    assert_string_equal(str_buf_text(&seen), "AssumeRole seconds 7200; keys AKIA; role " ROLE " name  external ; ");
    assert_string_equal(ask_with_role(ROLE, "{" GITHUB "}"), "S from web identity, GitHub's identity token");
    assert_non_null(strstr(str_buf_text(&seen), "GitHub audience=sts.amazonaws.com; AssumeRoleWithWebIdentity seconds 7200; token ey"));
    /* Keys win over a token, as in the SDKs; but a session, which ends, only without one. */
    assert_non_null(strstr(ask_with_role(ROLE, "{" KEYS ", " GITHUB "}"), "the keys of the environment"));
    assert_non_null(strstr(ask_with_role(ROLE, "{" KEYS ", \"AWS_SESSION_TOKEN\": \"t\", " GITHUB "}"), "GitHub"));
    assert_non_null(strstr(ask_with_role(ROLE, "{" KEYS ", \"AWS_SESSION_TOKEN\": \"t\"}"), "the keys of the environment"));
    assert_string_equal(ask_with_role(NULL, "{" KEYS ", " GITHUB "}"), "AKIA from environment");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char refused[] = "arn:aws:iam::123456789012:role/refused";
    answer = ci_services;
    time_now = 1629000000;
    no_token = false;
    const char *said = ask_with_role(refused, "{" GITHUB "}");
    static const char *const parts[] = {
        "GitHub's identity token", "403 AccessDenied (Not authorized to perform", "iss https://token.actions.githubusercontent.com",
        "sub repo:o/r:ref:refs/heads/main", "aud sts.amazonaws.com", "exp 2021-08-15T05:00:00Z", "repository o/r",
        "{\"Effect\":\"Allow\",\"Principal\":{\"Federated\":\"arn:aws:iam::123456789012:oidc-provider/"
        "token.actions.githubusercontent.com\"},\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Condition\":{\"StringEquals\":{"
        "\"token.actions.githubusercontent.com:aud\":\"sts.amazonaws.com\",\"token.actions.githubusercontent.com:sub\":"
        "\"repo:o/r:ref:refs/heads/main\"}}}"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (!strstr(said, parts[i]))
            fail_msg("not in the message: %s\n%s", parts[i], said);
    }
    assert_null(strstr(said, "eyJ"));
    assert_null(strstr(said, "c2lnbmF0dXJl"));
    said = ask_with_role(refused, "{" KEYS "}");
    assert_non_null(strstr(said, "the keys of the environment"));
    assert_non_null(strstr(said, "trust policy"));
    no_token = true;
    said = ask_with_role(ROLE, "{" GITHUB "}");
    assert_non_null(strstr(said, "about 6 hours"));
    assert_int_equal(err.code, ERR_STORE);
}

/* ---- nothing stays in memory ------------------------------------------------------------------------------------- */

/* The secret is never whole in the test's own memory: it is kept with its bits turned. Its second half is what is looked
 * for, since free() writes over the first bytes. */
#define TURN 0x55
enum { SECRET_BYTES = 48, NEEDLE = SECRET_BYTES / 2 };
static char turned[SECRET_BYTES];

static void put_secret(char *to)
{
    for (size_t i = 0; i < SECRET_BYTES; i++)
        to[i] = (char)(turned[i] ^ TURN);
}

static bool is_secret(const char *at)
{
    for (size_t i = 0; i < NEEDLE; i++) {
        if ((at[i] ^ TURN) != turned[NEEDLE + i])
            return false;
    }
    return true;
}

/* How often it is in what this process may write to. */
static int count_in_memory(void)
{
    static char chunk[1 << 16];
    FILE *maps = fopen("/proc/self/maps", "r"), *mem = fopen("/proc/self/mem", "r");
    char line[512], mode[5];
    unsigned long from, to;
    int n = 0;
    assert_true(maps && mem);
    setvbuf(mem, NULL, _IONBF, 0);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[1] != 'w' || to - from > 256u << 20)
            continue;
        for (unsigned long at = from; at < to; at += sizeof chunk - SECRET_BYTES) {
            size_t want = to - at < sizeof chunk ? to - at : sizeof chunk;
            if (at > (unsigned long)chunk - sizeof chunk && at < (unsigned long)chunk + sizeof chunk)
                continue; /* itself */
            if (fseek(mem, (long)at, SEEK_SET) || fread(chunk, 1, want, mem) != want)
                break;
            for (size_t i = 0; i + NEEDLE <= want; i++)
                n += chunk[i] == (char)(turned[NEEDLE] ^ TURN) && is_secret(chunk + i);
        }
    }
    memset(chunk, 0, sizeof chunk);
    fclose(maps);
    fclose(mem);
    return n;
}

/* Keys in JSON from the container, then a session in XML; both hold the secret. */
static bool secret_services(const struct http_request *r, struct http_response *out)
{
    static char body[1024];
    bool is_sts = strstr(r->url, "sts.") != NULL;
    memset(body, 0, sizeof body);
    snprintf(body, sizeof body, is_sts ? "<R><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>%48s"
                                         "</SecretAccessKey><SessionToken>t</SessionToken></Credentials></AssumeRoleResult></R>"
                                       : "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"%48s\", \"Token\": \"t\"}", "");
    put_secret(strstr(body, "      "));
    out->status = 200;
    out->body = str_of(body);
    return true;
}

/* How often the secret is there while it is in use and after it. */
static void use_and_close(const char *role, int *n_during, int *n_after)
{
    static const char variables[] = "{\"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI\": \"/x\"}";
    struct credentials_options o = {.getenv = fake_env, .now = fake_now, .role = role, .region = "eu-west-1"};
    struct json *env = NULL;
    struct credentials *c;
    struct credential_keys k;
    char kept[SECRET_BYTES];

    assert_true(json_parse(str_of(variables), "variables", &env, &err));
    make_surroundings(env, NULL);
    answer = secret_services;
    assert_true(credentials_open(&o, &c, &err) && credentials_get(c, &k, &err));
    assert_true(is_secret(k.secret_key + NEEDLE));
    *n_during = count_in_memory();
    credentials_close(c);
    /* The service's own buffer holds it, too: once more, with another one in its place. */
    memcpy(kept, turned, sizeof kept);
    memset(turned, 'x' ^ TURN, sizeof turned);
    secret_services(&(struct http_request){.url = ""}, &(struct http_response){0});
    memcpy(turned, kept, sizeof kept);
    *n_after = count_in_memory();
    json_free(env);
}

static void test_wiping(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it keeps what was freed */
#endif
    FILE *noise = fopen("/dev/urandom", "rb");
    int n_during, n_after;
    assert_true(noise && fread(turned, 1, sizeof turned, noise) == sizeof turned);
    fclose(noise);
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = (char)(('a' + (unsigned char)turned[i] % 26) ^ TURN);
    assert_int_equal(count_in_memory(), 0);
    for (int i = 0; i < 2; i++) {
        use_and_close(i ? ROLE : NULL, &n_during, &n_after);
        assert_true(n_during > 0); /* it can be found */
        assert_int_equal(n_after, 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct str text;
    snprintf(folder, sizeof folder, "/tmp/retrain-test-cases-XXXXXX");
    seen = STR_BUF(1 << 20);
    return mkdtemp(folder) && fs_read_file(GOLDEN, 1 << 20, &arena, &text, &err) && json_parse(text, GOLDEN, &golden, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_free(golden);
    str_buf_free(&seen);
    arena_free(&arena);
    return fs_remove_tree(folder, &err) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_role),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wiping),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
