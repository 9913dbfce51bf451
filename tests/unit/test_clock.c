#include <math.h>
#include <signal.h>

#include "unit.h"

#include "core/clock.h"
#include "core/stop.h"

static void rfc3339_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long long seconds; /* -1: refused */
        const char *canonical;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2026-11-21T08:15:30Z", 1795248930, "2026-11-21T08:15:30Z"},
        {"2026-11-21T08:15:30.123456789Z", 1795248930, "2026-11-21T08:15:30Z"},
        {"2026-11-21T10:15:30+02:00", 1795248930, "2026-11-21T08:15:30Z"},
        {"2026-11-20T23:45:30-08:30", 1795248930, "2026-11-21T08:15:30Z"},
        {"2026-11-21 08:15:30z", 1795248930, "2026-11-21T08:15:30Z"},
        {"2000-02-29T12:00:00Z", 951825600, "2000-02-29T12:00:00Z"},
        {"2100-03-01T00:00:00Z", 4107542400, "2100-03-01T00:00:00Z"},
        {"2016-12-31T23:59:60Z", 1483228800, "2017-01-01T00:00:00Z"},
        {"2100-02-29T00:00:00Z", -1, NULL}, {"2026-13-01T00:00:00Z", -1, NULL}, {"2026-00-01T00:00:00Z", -1, NULL},
        {"2026-11-31T00:00:00Z", -1, NULL}, {"2026-11-21T24:00:00Z", -1, NULL}, {"2026-11-21T08:15:30", -1, NULL},
        {"2026-11-21T08:15:30.Z", -1, NULL}, {"2026-11-21T08:15Z", -1, NULL}, {"", -1, NULL},
        {"2026-11-21T08:15:30Zx", -1, NULL}, {"2026-11-21T08:15:30+2", -1, NULL}, {"26-11-21T08:15:30Z", -1, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        time_t t = -1;
        char out[CLOCK_RFC3339];
        bool is_valid = clock_parse_rfc3339(str_of(cases[i].text), &t);
        if (is_valid != (cases[i].seconds >= 0) || (is_valid && t != cases[i].seconds))
            fail_msg("%s: %d %lld", cases[i].text, is_valid, (long long)t);
        if (is_valid) {
            clock_rfc3339(t, out);
            assert_string_equal(out, cases[i].canonical);
        }
    }
}

static void http_dates_are_read(void **state)
{
    (void)state;
    time_t t;
    assert_true(clock_parse_http(STR_LIT("Sat, 21 Nov 2026 08:15:30 GMT"), &t));
    assert_true(t == 1795248930);
    assert_true(clock_parse_http(STR_LIT("Sun, 06 Nov 1994 08:49:37 GMT"), &t));
    assert_true(t == 784111777);
    static const char *const wrong[] = {"Sat, 21 Now 2026 08:15:30 GMT", "Sat, 21 Nov 2026 08:15:30 CET", "",
                                        "Saturday, 21-Nov-26 08:15:30 GMT", "Sat, 1 Nov 2026 08:15:30 GMT ",
                                        "Sat, 21 Nov 2026 08-15-30 GMT"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(clock_parse_http(str_of(wrong[i]), &t));
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* -1: refused */
    } cases[] = {
        {"5h30m", 19800}, {"45m", 2700}, {"90s", 90}, {"1h30m10s", 5410}, {"1h10s", 3610}, {"0s", 0}, {"100h", 360000},
        {"", -1}, {"5", -1}, {"h", -1}, {"30m5h", -1}, {"5h5h", -1}, {"1.5h", -1}, {"-5m", -1}, {"5 m", -1}, {"5m ", -1},
        {"5d", -1}, {"5H", -1}, {"99999999999h", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double seconds = -1;
        clock_parse_duration(str_of(cases[i].text), &seconds);
        if (!(fabs(seconds - cases[i].seconds) <= 0))
            fail_msg("\"%s\": %g", cases[i].text, seconds);
    }
}

static void durations_are_shown(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "0.0s"}, {12.34, "12.3s"}, {59.94, "59.9s"}, {59.96, "1m 00s"}, {200, "3m 20s"}, {65.4, "1m 05s"},
        {3599.4, "59m 59s"}, {3599.6, "1h 00m"}, {3720, "1h 02m"}, {19800, "5h 30m"}, {359999, "100h 00m"}, {-5, "0.0s"},
        {NAN, "0.0s"}, {INFINITY, "277777777h 47m"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[32];
        clock_format_duration(cases[i].seconds, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void sleeping_ends_at_a_stop(void **state)
{
    (void)state;
    double start = clock_seconds();
    clock_sleep(0.05);
    assert_true(clock_seconds() - start >= 0.05);
    stop_request(SIGTERM);
    start = clock_seconds();
    clock_sleep(60);
    assert_true(clock_seconds() - start < 10);
    stop_request(0);
    clock_sleep(-1);
    assert_true(clock_now() > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_goes_both_ways), cmocka_unit_test(http_dates_are_read), cmocka_unit_test(durations_are_read),
        cmocka_unit_test(durations_are_shown),    cmocka_unit_test(sleeping_ends_at_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
