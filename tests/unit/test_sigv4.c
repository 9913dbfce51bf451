/* The signer against published vectors, stage by stage: AWS's page "Signature Calculations for the Authorization
 * Header" (S3) and the aws-c-auth suite (tests/golden/sigv4/). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/sigv4.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_HOST "examplebucket.s3.amazonaws.com"
#define S3_DATE "20130524T000000Z"

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_s3_examples(void **state)
{
    (void)state;
    static const char put_sum[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const struct {
        struct sigv4_request request;
        struct http_header headers[6];
        const char *canonical_sum; /* last line of the string to sign */
        const char *signature;
    } cases[] = {
        {{"GET", "/test.txt", "", NULL, 4, EMPTY_SHA256},
         {{"Host", S3_HOST}, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_SHA256}, {"x-amz-date", S3_DATE}},
         "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {{"PUT", "/test%24file.text", "", NULL, 5, put_sum},
         {{"Host", S3_HOST}, {"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-content-sha256", put_sum},
          {"x-amz-date", S3_DATE}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
         "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {{"GET", "/", "lifecycle=", NULL, 3, EMPTY_SHA256},
         {{"Host", S3_HOST}, {"x-amz-content-sha256", EMPTY_SHA256}, {"x-amz-date", S3_DATE}},
         "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {{"GET", "/", "max-keys=2&prefix=J", NULL, 3, EMPTY_SHA256},
         {{"Host", S3_HOST}, {"x-amz-content-sha256", EMPTY_SHA256}, {"x-amz-date", S3_DATE}},
         "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    const struct sigv4_key key = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};
    time_t now;
    assert_true(clock_parse_rfc3339(STR_LIT("2013-05-24T00:00:00Z"), &now));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sigv4_request r = cases[i].request;
        struct sigv4 out;
        r.headers = cases[i].headers;
        sigv4_sign(&r, &key, now, &arena, &out);
        assert_true(str_ends(str_of(out.string_to_sign), cases[i].canonical_sum));
        assert_string_equal(out.signature, cases[i].signature);
    }
}

/* "%E1%88%B4" as the three bytes: the suite gives some targets encoded, some raw. */
static struct str decoded(struct str s)
{
    char *out = arena_alloc(&arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t byte;
        if (s.p[i] == '%' && hex_decode(str_slice(s, i + 1, i + 3), &byte, 1)) {
            out[n++] = (char)byte;
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return (struct str){out, n};
}

static const char *query_of(const char *text)
{
    struct sigv4_parameter p[16];
    struct str rest = str_of(text), one, name;
    size_t n = 0;
    while (n < 16 && str_cut(&rest, '&', &one)) {
        str_cut(&one, '=', &name);
        p[n++] = (struct sigv4_parameter){decoded(name), decoded(one)};
    }
    return sigv4_query(p, n, &arena);
}

static void check_case(const struct json *c)
{
    const char *name = json_string(json_get(c, "name"), "");
    struct str body = str_of(json_string(json_get(c, "body"), ""));
    const struct json *given = json_get(c, "headers");
    struct http_header headers[16];
    char date[SIGV4_DATE], hex[SHA256_HEX];
    uint8_t sum[32];
    size_t n = 0;
    time_t now;

    assert_true(clock_parse_rfc3339(str_of(json_string(json_get(c, "timestamp"), "")), &now));
    sigv4_date(now, date);
    sha256_of(body.p, body.n, sum);
    hex_encode(sum, sizeof sum, hex);
    for (; n < json_len(given); n++) {
        const struct json *h = json_at(given, n);
        headers[n] = (struct http_header){json_string(json_at(h, 0), ""), json_string(json_at(h, 1), "")};
    }
    headers[n++] = (struct http_header){"X-Amz-Date", date};
    if (json_bool(json_get(c, "sign_body"), false))
        headers[n++] = (struct http_header){"x-amz-content-sha256", hex};
    if (json_string(json_get(c, "token"), "")[0])
        headers[n++] = (struct http_header){"X-Amz-Security-Token", json_string(json_get(c, "token"), "")};

    struct sigv4_request r = {json_string(json_get(c, "method"), ""),
                              sigv4_encode(decoded(str_of(json_string(json_get(c, "path"), ""))), true, &arena),
                              query_of(json_string(json_get(c, "query"), "")), headers, n, hex};
    struct sigv4_key key = {json_string(json_get(c, "access_key"), ""), json_string(json_get(c, "secret_key"), ""),
                            json_string(json_get(c, "region"), ""), json_string(json_get(c, "service"), "")};
    struct sigv4 out;
    sigv4_sign(&r, &key, now, &arena, &out);
    if (strcmp(out.canonical_request, json_string(json_get(c, "canonical_request"), "")))
        fail_msg("%s: canonical request is\n%s", name, out.canonical_request);
    if (strcmp(out.string_to_sign, json_string(json_get(c, "string_to_sign"), "")))
        fail_msg("%s: string to sign is\n%s", name, out.string_to_sign);
    if (strcmp(out.signature, json_string(json_get(c, "signature"), "")))
        fail_msg("%s: signature is %s", name, out.signature);
}

static void test_suite(void **state)
{
    (void)state;
    struct error e;
    struct str text;
    struct json *suite;
    if (!fs_read_file("tests/golden/sigv4/aws-c-auth.json", 1 << 20, &arena, &text, &e) ||
        !json_parse(text, "aws-c-auth.json", &suite, &e))
        fail_msg("%s", e.message);
    const struct json *cases = json_get(suite, "cases");
    assert_true(json_len(cases) >= 30);
    for (size_t i = 0; i < json_len(cases); i++)
        check_case(json_at(cases, i));
    json_free(suite);
}

static void test_encode(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *path, *query;
    } cases[] = {
        {"a/b c", "a/b%20c", "a%2Fb%20c"},
        {"+=&?#%", "%2B%3D%26%3F%23%25", "%2B%3D%26%3F%23%25"},
        {"!*'()", "%21%2A%27%28%29", "%21%2A%27%28%29"},
        {"-._~09azAZ", "-._~09azAZ", "-._~09azAZ"},
        {"\xc3\xa9\x01\x7f\xff", "%C3%A9%01%7F%FF", "%C3%A9%01%7F%FF"},
        {"a//b/./c", "a//b/./c", "a%2F%2Fb%2F.%2Fc"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(sigv4_encode(str_of(cases[i].raw), true, &arena), cases[i].path);
        assert_string_equal(sigv4_encode(str_of(cases[i].raw), false, &arena), cases[i].query);
    }
    assert_string_equal(sigv4_encode((struct str){"\0", 1}, true, &arena), "%00");
    const struct sigv4_parameter p[] = {{STR_LIT("ab"), STR_LIT("2")}, {STR_LIT("a-b"), STR_LIT("x y+z/")},
                                        {STR_LIT("a"), STR_LIT("2")}, {STR_LIT("a"), STR_LIT("10")},
                                        {STR_LIT("uploads"), STR_LIT("")}};
    assert_string_equal(sigv4_query(p, 5, &arena), "a=10&a=2&a-b=x%20y%2Bz%2F&ab=2&uploads=");
    assert_string_equal(sigv4_query(p, 0, &arena), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_s3_examples, tear_down),
        cmocka_unit_test_teardown(test_suite, tear_down),
        cmocka_unit_test_teardown(test_encode, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
