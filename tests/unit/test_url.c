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

/* What Python's urllib.parse.urljoin and urldefrag make of them. */
static void test_resolve(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"https://h/a/b.json", "c.json", "https://h/a/c.json"},
        {"https://h/a/b.json?x=/1", "c.json", "https://h/a/c.json"},
        {"https://h/a/b.json", "/c.json", "https://h/c.json"},
        {"https://h/a/b.json", "//o:8/c", "https://o:8/c"},
        {"http://h/a", "//o/c?d", "http://o/c?d"},
        {"https://h/a/b.json", "https://o/c#frag", "https://o/c"},
        {"http://h/a/b.json", "https://o/c", "https://o/c"},
        {"https://h", "c", "https://h/c"},
        {"https://h/a/", "c/d?e=f:g", "https://h/a/c/d?e=f:g"},
        {"https://h/a/b", "http://o/c", "http://o/c"},
        {"https://h:8443/a/b", "/c", "https://h:8443/c"},
    };
    static const char *const nowhere[] = {"", "#x", "file:///etc/passwd", "ftp://h/x", "javascript:x", "a b", "a\tb", "data:,"};
    struct arena a = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(url_resolve(cases[i][0], str_of(cases[i][1]), &a), cases[i][2]);
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        assert_null(url_resolve("https://h/a", str_of(nowhere[i]), &a));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loopback), cmocka_unit_test(test_parse), cmocka_unit_test(test_resolve)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
