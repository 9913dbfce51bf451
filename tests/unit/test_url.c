/* Endpoint URLs, and which hosts are this machine. */
#include "cloud/url.h"
#include "core/arena.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static void test_loopback(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost", "bucket.localhost", "127.0.0.1", "127.9.9.9", "::1"};
    static const char *const no[] = {"localhost.example", "xlocalhost", "128.0.0.1", "0.0.0.0", "::2", "127.0.0.1.example",
                                     "10.0.0.1", "", "127.1.example"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(url_host_is_loopback(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(url_host_is_loopback(no[i]));
}

static void test_parse(void **state)
{
    (void)state;
    struct arena a = {0};
    struct url u;
    struct error e;
    assert_true(url_parse(" https://Host.Example:8443/p/q?x=1 ", "x", &a, &u, &e));
    assert_true(u.is_https);
    assert_string_equal(u.host, "host.example");
    assert_string_equal(u.authority, "host.example:8443");
    assert_string_equal(u.path, "/p/q?x=1");
    assert_true(url_parse("http://[FD00::1]", "x", &a, &u, &e));
    assert_string_equal(u.host, "fd00::1");
    assert_string_equal(u.authority, "[fd00::1]");
    static const char *const bad[] = {"", "http://", "http://a b", "http://a\nb", "http://[::1", "http://a:x", "http://a:",
                                      "http://a:80:80", "http://a\\b", "//a", "HTTP://a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (url_parse(bad[i], "x", &a, &u, &e))
            fail_msg("\"%s\" passed", bad[i]);
        assert_int_equal(e.code, ERR_CONFIG);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loopback), cmocka_unit_test(test_parse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
