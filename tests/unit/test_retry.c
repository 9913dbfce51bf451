/* What is tried again, and when: with a clock and a die of our own. */
#include <string.h>

#include "cloud/retry.h"
#include "core/clock.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static void test_classes(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *code;
        enum retry_kind kind;
    } cases[] = {
        {200, "", RETRY_DONE}, {204, "", RETRY_DONE}, {206, "", RETRY_DONE},
        {500, "", RETRY_LATER}, {500, "InternalError", RETRY_LATER}, {502, "", RETRY_LATER}, {504, "", RETRY_LATER},
        {503, "SlowDown", RETRY_LATER}, {503, "", RETRY_LATER}, {429, "", RETRY_LATER}, {429, "Whatever", RETRY_LATER},
        {400, "RequestTimeout", RETRY_LATER}, {400, "BadDigest", RETRY_LATER}, {400, "ThrottlingException", RETRY_LATER},
        {409, "ConditionalRequestConflict", RETRY_LATER}, {409, "OperationAborted", RETRY_LATER},
        {400, "IDPCommunicationError", RETRY_LATER}, {400, "XAmzContentSHA256Mismatch", RETRY_LATER},
        {400, "", RETRY_NEVER}, {400, "ExpiredToken", RETRY_NEVER}, {401, "", RETRY_NEVER}, {403, "", RETRY_NEVER},
        {403, "AccessDenied", RETRY_NEVER}, {403, "RequestTimeTooSkewed", RETRY_NEVER}, {404, "NoSuchKey", RETRY_NEVER},
        {404, "NoSuchBucket", RETRY_NEVER}, {405, "", RETRY_NEVER}, {409, "BucketAlreadyExists", RETRY_NEVER},
        {412, "PreconditionFailed", RETRY_NEVER}, {501, "NotImplemented", RETRY_NEVER}, {301, "", RETRY_NEVER},
        {307, "", RETRY_NEVER}, {505, "", RETRY_NEVER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (retry_classify(cases[i].status, cases[i].code) != cases[i].kind)
            fail_msg("%d %s", cases[i].status, cases[i].code);
    }
}

static void test_waits(void **state)
{
    (void)state;
    static const struct {
        int n, max;
        double elapsed, after, unit, wait;
        bool again;
    } cases[] = {
        {1, 6, 0, -1, 0.5, 0.25, true},   {2, 6, 1, -1, 0.5, 0.5, true},  {5, 6, 5, -1, 1, 8, true},
        {6, 6, 9, -1, 0, 0, false},       {30, 99, 0, -1, 1, 20, true},   /* the cap */
        {1, 6, 0, 7, 0, 7, true},         {1, 6, 0, 0, 0.5, 0.25, true},  {1, 6, 0, 9999, 0, 60, true},
        {2, 6, 119.9, -1, 0.5, 0.5, false}, /* the budget */
        {1, 1, 0, -1, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double wait;
        bool again = retry_wait(cases[i].n, cases[i].max, cases[i].elapsed, cases[i].after, cases[i].unit, &wait);
        if (again != cases[i].again || !(wait >= cases[i].wait - 1e-9 && wait <= cases[i].wait + 1e-9))
            fail_msg("case %zu: %d %g", i, again, wait);
    }
}

static void test_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        double seconds;
    } cases[] = {
        {"HTTP/1.1 503 Slow\r\nRetry-After: 12\r\n\r\n", 12},
        {"HTTP/1.1 503 Slow\r\nretry-after:  Sat, 21 Nov 2026 08:15:30 GMT\r\n", 30},
        {"HTTP/1.1 503 Slow\r\nRetry-After: Sat, 21 Nov 2020 08:15:30 GMT\r\n", 0},
        {"HTTP/1.1 503 Slow\r\nRetry-After: soon\r\n", -1},
        {"HTTP/1.1 503 Slow\r\nX-Retry-After: 3\r\n", -1},
        {"", -1},
    };
    time_t now;
    assert_true(clock_parse_http(STR_LIT("Sat, 21 Nov 2026 08:15:00 GMT"), &now));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response r = {.headers = str_of(cases[i].headers)};
        double got = retry_after(&r, now);
        if (!(got == cases[i].seconds))
            fail_msg("case %zu: %g", i, got);
    }
}

/* A closed port refuses each attempt: counts them and looks at the waits. */
static double fake_now, waits[16];
static int n_waits, n_prepared;

static double fake_seconds(void)
{
    return fake_now;
}

static void fake_sleep(double s)
{
    waits[n_waits++] = s;
    fake_now += s;
}

static double fake_unit(void)
{
    return 0.5;
}

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    (void)a, (void)e;
    r->method = "GET";
    r->url = ctx;
    n_prepared++;
    return true;
}

static enum retry_kind judge(void *ctx, const struct http_response *r, struct arena *a, struct error *e)
{
    (void)ctx, (void)r, (void)a, (void)e;
    return RETRY_DONE;
}

static void test_refused(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error e;
    struct http_options o = {0};
    struct http *h;
    struct http_response out = {0};
    struct retry t = {.prepare = prepare, .judge = judge, .ctx = "http://127.0.0.1:1/", .seconds = fake_seconds,
                      .sleep = fake_sleep, .unit = fake_unit};
    assert_true(http_open(&o, &h, &e));
    assert_false(retry_run(&t, h, &a, &out, &e));
    assert_int_equal(e.code, ERR_NET);
    assert_non_null(strstr(e.message, "after 3 tries"));
    assert_non_null(strstr(e.message, "cannot connect to 127.0.0.1:1"));
    assert_int_equal(n_prepared, 3);
    assert_int_equal(n_waits, 2);
    assert_true(waits[0] == 0.25 && waits[1] == 0.5);

    /* Not over plain http to somebody else's machine. */
    t.ctx = "http://192.0.2.1/";
    assert_false(retry_run(&t, h, &a, &out, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_int_equal(t.n_attempts, 1);
    assert_non_null(strstr(e.message, "RETRAIN_ALLOW_HTTP"));
    http_close(h);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes), cmocka_unit_test(test_waits),
                                       cmocka_unit_test(test_retry_after), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
