/* Where buckets are: URLs, styles and the addresses made of them. */
#include <string.h>

#include "store/s3_address.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static struct arena arena;
static struct error err;

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_store_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *bucket, *prefix; /* bucket NULL = refused */
    } cases[] = {
        {"s3://models", "models", ""},
        {"s3://models/", "models", ""},
        {"s3://models/team/detector", "models", "team/detector"},
        {"s3://models//team/", "models", "team"},
        {"s3://my.bucket-1/a b+c/\xc3\xa9", "my.bucket-1", "a b+c/\xc3\xa9"},
        {"s3://", NULL, NULL},
        {"s3:///x", NULL, NULL},
        {"s3://ab", NULL, NULL},
        {"s3://b@d/x", NULL, NULL},
        {"s3://bucket:80/x", NULL, NULL},
        {"s3://-bucket/x", NULL, NULL},
        {"s3://bucket/a//b", NULL, NULL},
        {"s3://bucket/../b", NULL, NULL},
        {"s3://bucket/a/.", NULL, NULL},
        {"s3://bucket/a\nb", NULL, NULL},
        {"s3://bucket/\xff", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3_location at;
        bool ok = s3_parse_url(cases[i].url, &arena, &at, &err);
        if (ok != (cases[i].bucket != NULL))
            fail_msg("%s", cases[i].url);
        if (ok) {
            assert_string_equal(at.bucket, cases[i].bucket);
            assert_string_equal(at.prefix, cases[i].prefix);
        } else {
            assert_int_equal(err.code, ERR_CONFIG);
        }
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint, *region, *bucket;
        enum s3_style style;
        const char *base, *root; /* base NULL = refused */
    } cases[] = {
        {"", "eu-west-1", "models", S3_AUTO, "https://models.s3.eu-west-1.amazonaws.com", ""},
        {"", "us-east-1", "models", S3_AUTO, "https://models.s3.us-east-1.amazonaws.com", ""},
        {"", "cn-north-1", "models", S3_AUTO, "https://models.s3.cn-north-1.amazonaws.com.cn", ""},
        {"", "eu-west-1", "my.models", S3_AUTO, "https://s3.eu-west-1.amazonaws.com", "/my.models"},
        {"", "eu-west-1", "models", S3_PATH, "https://s3.eu-west-1.amazonaws.com", "/models"},
        {"https://s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1", "models", S3_AUTO,
         "https://models.s3.dualstack.eu-west-1.amazonaws.com", ""},
        {"http://127.0.0.1:9000", "us-east-1", "models", S3_AUTO, "http://127.0.0.1:9000", "/models"},
        {"http://localhost:9000/", "us-east-1", "models", S3_VIRTUAL, "http://models.localhost:9000", ""},
        {"https://Minio.Example:443/base/", "us-east-1", "models", S3_AUTO, "https://minio.example", "/base/models"},
        {"http://minio.example:80", "us-east-1", "models", S3_AUTO, "http://minio.example", "/models"},
        {"http://[::1]:9000", "us-east-1", "models", S3_AUTO, "http://[::1]:9000", "/models"},
        {"", "eu-west-1", "Old_Models", S3_AUTO, "https://s3.eu-west-1.amazonaws.com", "/Old_Models"},
        {"http://127.0.0.1:9000", "us-east-1", "models", S3_VIRTUAL, NULL, NULL},
        {"http://[::1]:9000", "us-east-1", "models", S3_VIRTUAL, NULL, NULL},
        {"https://minio.example", "us-east-1", "Old_Models", S3_VIRTUAL, NULL, NULL},
        {"https://account.r2.cloudflarestorage.com", "auto", "models", S3_AUTO,
         "https://account.r2.cloudflarestorage.com", "/models"},
        {"localhost:9000", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"ftp://x", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"https://user:secret@x", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"https://x:0", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"https://x:65536", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"https://x/?a=b", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"https:///x", "us-east-1", "models", S3_AUTO, NULL, NULL},
        {"", "eu/west", "models", S3_AUTO, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3_address at;
        bool ok = s3_address(cases[i].endpoint, cases[i].region, cases[i].bucket, cases[i].style, &arena, &at, &err);
        if (ok != (cases[i].base != NULL))
            fail_msg("case %zu, %s: %s", i, cases[i].endpoint, ok ? at.base : err.message);
        if (!ok) {
            assert_int_equal(err.code, ERR_CONFIG);
            assert_null(strstr(err.message, "secret"));
            continue;
        }
        assert_string_equal(at.base, cases[i].base);
        assert_string_equal(at.root, cases[i].root);
        assert_string_equal(strstr(at.base, "://") + 3, at.authority);
    }
}

static void test_styles(void **state)
{
    (void)state;
    enum s3_style style;
    assert_true(s3_parse_style(NULL, &style, &err) && style == S3_AUTO);
    assert_true(s3_parse_style("", &style, &err) && style == S3_AUTO);
    assert_true(s3_parse_style("path", &style, &err) && style == S3_PATH);
    assert_string_equal(s3_first_region("", ""), "us-east-1");
    assert_string_equal(s3_first_region("auto", ""), "us-east-1");
    assert_string_equal(s3_first_region("auto", "https://account.r2.cloudflarestorage.com"), "auto");
    assert_string_equal(s3_first_region("eu-west-1", ""), "eu-west-1");
    assert_true(s3_parse_style("virtual", &style, &err) && style == S3_VIRTUAL);
    assert_false(s3_parse_style("vhost", &style, &err));
    assert_true(s3_endpoint_is_aws(""));
    assert_true(s3_endpoint_is_aws("https://s3.eu-west-1.amazonaws.com"));
    assert_false(s3_endpoint_is_aws("https://amazonaws.com.evil.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_store_urls, tear_down),
        cmocka_unit_test_teardown(test_addresses, tear_down),
        cmocka_unit_test_teardown(test_styles, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
