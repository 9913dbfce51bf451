/* Replies that say no, as sentences. */
#include <stdio.h>
#include <string.h>

#include "store/s3_error.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static void test_read(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *headers, *body, *code, *region, *request_id;
        bool is_error;
    } cases[] = {
        {403, "x-amz-request-id: TX1\r\nx-amz-id-2: HOST\r\n",
         "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><RequestId>Q</RequestId></Error>", "AccessDenied", "",
         "TX1/HOST", true},
        {404, "", "<Error><Code>NoSuchKey</Code><RequestId>Q</RequestId></Error>", "NoSuchKey", "", "Q", true},
        {400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>",
         "AuthorizationHeaderMalformed", "eu-west-1", "", true},
        {301, "x-amz-bucket-region: eu-central-1\r\n", "", "", "eu-central-1", "", true},
        {200, "", "  \n  <Error><Code>InternalError</Code></Error>", "InternalError", "", "", true},
        {200, "", "<ListBucketResult><Key>a</Key></ListBucketResult>", "", "", "", false},
        {200, "", "{\"schema\": 1}", "", "", "", false},
        {200, "", "<not xml", "", "", "", false},
        {503, "", "<html><body>Busy</body></html>", "", "", "", true},
        {500, "", "<Error><Code>Inte", "", "", "", true},
        {403, "", "<!DOCTYPE x [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>", "", "", "", true},
        {403, "", "<Error><Code>Bad\nCode ::error::\x01</Code></Error>", "BadCode::error::", "", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response r = {.status = cases[i].status, .headers = str_of(cases[i].headers),
                                  .body = str_of(cases[i].body)};
        struct s3_reply_error out;
        bool is_error;
        s3_read_error(&r, &out, &is_error);
        if (is_error != cases[i].is_error || (i != 11 && strcmp(out.code, cases[i].code)) ||
            strcmp(out.region, cases[i].region) || strcmp(out.request_id, cases[i].request_id))
            fail_msg("case %zu: %d \"%s\" \"%s\" \"%s\"", i, is_error, out.code, out.region, out.request_id);
        assert_null(strpbrk(out.code, "\n\r \x01"));
    }
}

static void test_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *method, *key, *code, *credentials;
        int status;
        const char *part; /* what must be in the sentence */
    } cases[] = {
        {"GET", "versions/v/manifest.json", "AccessDenied", "environment", 403, "s3:ListBucket"},
        {"GET", "versions/v/manifest.json", "AccessDenied", "environment", 403, "unknown, not absent"},
        {"HEAD", "k", "", "environment", 403, "s3:GetObject"},
        {"PUT", "k", "AccessDenied", "environment", 403, "s3:PutObject"},
        {"DELETE", "k", "AccessDenied", "environment", 403, "s3:DeleteObject"},
        {"LIST", "", "AccessDenied", "environment", 403, "s3:ListBucket"},
        {"GET", "k", "AccessDenied", "anonymous", 403, "no credentials were found"},
        {"GET", "k", "NoSuchBucket", "environment", 404, "does not exist"},
        {"GET", "k", "InvalidAccessKeyId", "environment", 403, "AWS_ACCESS_KEY_ID"},
        {"GET", "k", "SignatureDoesNotMatch", "environment", 403, "AWS_SECRET_ACCESS_KEY"},
        {"GET", "k", "RequestTimeTooSkewed", "environment", 403, "clock"},
        {"GET", "k", "", "environment", 301, "set region"},
        {"PUT", "k", "", "environment", 503, "try later"},
        {"PUT", "k", "Strange", "environment", 418, "418 Strange"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3_error_place p = {"s3://b/p", cases[i].method, cases[i].key, "b", "us-east-1", cases[i].credentials, ""};
        struct s3_reply_error r = {.request_id = "tx77"};
        struct error e;
        snprintf(r.code, sizeof r.code, "%s", cases[i].code);
        assert_false(s3_fail(&e, ERR_STORE, &p, cases[i].status, &r));
        if (!strstr(e.message, cases[i].part))
            fail_msg("case %zu: %s", i, e.message);
        assert_non_null(strstr(e.message, "s3://b/p"));
        assert_non_null(strstr(e.message, "tx77"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_sentences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
