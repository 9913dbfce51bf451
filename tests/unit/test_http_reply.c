/* Headers of a reply, and whether its body goes on after what a file holds or brings the whole again. */
#include "cloud/http_reply.h"

#include <errno.h>
#include <string.h>

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_headers(void **state)
{
    (void)state;
    struct str lines = STR_LIT("HTTP/1.1 200 OK\r\nETag: \"a:b\"\r\nx-empty:\r\nETAG: second\r\nno colon\r\n\r\n");
    assert_true(str_is(http_find_header(lines, "etag"), "\"a:b\""));
    assert_true(str_is(http_find_header(lines, "X-Empty"), ""));
    assert_int_equal(http_find_header(lines, "no colon").n, 0);
    assert_int_equal(http_find_header((struct str){0}, "ETag").n, 0);
}

/* A file that holds "0123456789", of which the reply's "ab" and "c" are taken after `from`. */
static void test_sink(void **state)
{
    (void)state;
    static const struct {
        uint64_t from;
        long status;
        const char *headers, *want; /* NULL = refused */
    } cases[] = {
        {0, 200, "", "abc"},
        {4, 200, "", "abc"}, /* the server ignores ranges */
        {4, 206, "Content-Range: bytes 4-6/7\r\n", "0123abc"},
        {4, 206, "content-range: bytes 4-6/*\r\n", "0123abc"},
        {10, 206, "Content-Range: bytes 10-12/13\r\n", "0123456789abc"},
        {4, 206, "Content-Range: bytes 5-7/8\r\n", NULL},
        {4, 206, "Content-Range: bytes 44-46/47\r\n", NULL},
        {4, 206, "Content-Range: bytes */7\r\n", NULL},
        {4, 206, "Content-Range: 4-6/7\r\n", NULL},
        {4, 206, "Content-Range:\r\n", NULL},
        {4, 206, "", NULL},
        {0, 206, "Content-Range: bytes 0-2/3\r\n", NULL}, /* nobody asked for one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[32] = "";
        struct http_sink s = {.file = tmpfile(), .from = cases[i].from};
        assert_non_null(s.file);
        fputs("0123456789", s.file);
        assert_true(http_sink_begin(&s));
        bool ok = http_sink_write(&s, cases[i].status, str_of(cases[i].headers), "ab", 2) &&
                  http_sink_write(&s, cases[i].status, str_of(cases[i].headers), "c", 1);
        assert_int_equal(ok, cases[i].want != NULL);
        assert_int_equal(s.is_wrong_range, !ok);
        assert_int_equal(s.error, 0);
        rewind(s.file);
        if (ok && (!fgets(got, sizeof got, s.file) || strcmp(got, cases[i].want)))
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, got, cases[i].want);
        fclose(s.file);
    }
    struct http_sink nowhere = {.file = fopen("/dev/full", "w")};
    if (nowhere.file) {
        setvbuf(nowhere.file, NULL, _IONBF, 0);
        assert_true(http_sink_begin(&nowhere));
        assert_false(http_sink_write(&nowhere, 200, (struct str){0}, "x", 1));
        assert_int_equal(nowhere.error, ENOSPC);
        fclose(nowhere.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_sink)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
