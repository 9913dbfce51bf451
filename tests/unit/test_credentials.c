/* The chain of credentials, as far as it goes without a network; the rest is in tests/e2e/test_s3_faults.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloud/credentials.h"
#include "core/fs.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static char folder[64];
static struct arena arena;
static struct error err;
static const char *const (*variables)[2];

static const char *fake_env(const char *name)
{
    for (size_t i = 0; variables && variables[i][0]; i++) {
        if (strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    }
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? "true" : NULL;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/retrain-test-cred-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    variables = NULL;
    arena_free(&arena);
    return fs_remove_tree(folder, &err) ? 0 : -1;
}

/* "access/secret/token from source" or the error. */
static const char *ask(const char *role)
{
    struct credentials_options o = {.getenv = fake_env, .role = role, .region = "us-east-1"};
    struct credentials *c;
    struct credential_keys k;
    const char *out, *why;
    if (!credentials_open(&o, &c, &err))
        fail_msg("%s", err.message);
    if (credentials_get(c, &k, &err)) {
        const char *source = credentials_source(c, &why);
        out = arena_printf(&arena, "%s/%s/%s from %s%s%s", k.access_key, k.secret_key, k.session_token, source,
                           why[0] ? ": " : "", why);
    } else {
        out = arena_printf(&arena, "error %d: %s", err.code, err.message);
    }
    credentials_close(c);
    return out;
}

static void test_environment(void **state)
{
    (void)state;
    static const char *const both[][2] = {{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "SK"}, {0}};
    static const char *const token[][2] = {
        {"AWS_ACCESS_KEY_ID", " AK\n"}, {"AWS_SECRET_ACCESS_KEY", "SK"}, {"AWS_SESSION_TOKEN", "T+/="}, {0}};
    static const char *const blank[][2] = {
        {"AWS_ACCESS_KEY_ID", ""}, {"AWS_SECRET_ACCESS_KEY", ""}, {"AWS_SESSION_TOKEN", ""}, {0}};
    static const char *const half[][2] = {{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", ""}, {0}};
    variables = both;
    assert_string_equal(ask(NULL), "AK/SK/ from environment");
    variables = token;
    assert_string_equal(ask(NULL), "AK/SK/T+/= from environment");
    variables = blank;
    assert_string_equal(ask(NULL), "// from anonymous");
    variables = half;
    assert_non_null(strstr(ask(NULL), "AWS_SECRET_ACCESS_KEY is not"));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_shared_file(void **state)
{
    (void)state;
    char path[96], missing[96];
    snprintf(path, sizeof path, "%s/credentials", folder);
    snprintf(missing, sizeof missing, "%s/none", folder);
    const char *const plain[][2] = {{"AWS_SHARED_CREDENTIALS_FILE", path}, {0}};
    const char *const named[][2] = {{"AWS_SHARED_CREDENTIALS_FILE", path}, {"AWS_PROFILE", "ci"}, {0}};
    const char *const unknown[][2] = {{"AWS_SHARED_CREDENTIALS_FILE", path}, {"AWS_PROFILE", "nobody"}, {0}};
    const char *const absent[][2] = {{"AWS_SHARED_CREDENTIALS_FILE", missing}, {0}};
    assert_true(fs_write_atomic(path,
                                STR_LIT("# comment\r\n[default]\r\naws_access_key_id = A1\r\naws_secret_access_key=S1==\r\n"
                                        "region = x\r\n\n[ ci ]\naws_access_key_id=A2\naws_secret_access_key = S2\n"
                                        "aws_session_token = T2\n[broken]\naws_access_key_id=A3\n"),
                                &err));
    variables = plain;
    assert_string_equal(ask(NULL), "A1/S1==/ from profile default");
    variables = named;
    assert_string_equal(ask(NULL), "A2/S2/T2 from profile ci");
    variables = unknown;
    assert_non_null(strstr(ask(NULL), "AWS_PROFILE names nobody"));
    variables = absent;
    assert_string_equal(ask(NULL), "// from anonymous");
}

static void test_identity_tokens(void **state)
{
    (void)state;
    /* {"alg":"none"}.{"exp":1000000000}. : over since 2001 */
    static const char *const over[][2] = {{"RETRAIN_ID_TOKEN", "eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAwMDAwMDB9.x"}, {0}};
    static const char *const no_file[][2] = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token"}, {0}};
    assert_non_null(strstr(ask("arn:aws:iam::1:role/r"), "id-token: write"));
    assert_non_null(strstr(ask("arn:aws:iam::1:role/r"), "from anonymous"));
    variables = over;
    assert_non_null(strstr(ask("arn:aws:iam::1:role/r"), "expired at 2001-09-09T01:46:40Z"));
    assert_null(strstr(err.message, "eyJ"));
    assert_string_equal(ask(NULL), "// from anonymous"); /* no role: the token is not for us */
    variables = no_file;
    assert_non_null(strstr(ask("arn:aws:iam::1:role/r"), "AWS_WEB_IDENTITY_TOKEN_FILE"));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_container_hosts(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://169.254.170.2.example/x", "http://10.0.0.1/x", "http://169.254.169.254/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const env[][2] = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", bad[i]}, {0}};
        variables = env;
        assert_non_null(strstr(ask(NULL), "neither https nor this machine"));
    }
    static const char *const tricky[][2] = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example/x"}, {0}};
    variables = tricky;
    assert_non_null(strstr(ask(NULL), "neither https nor this machine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identity_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_container_hosts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
