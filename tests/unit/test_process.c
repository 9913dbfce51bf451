#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "unit.h"

#include "core/clock.h"
#include "core/process.h"
#include "core/stop.h"
#include "core/str.h"

static struct arena arena;
static struct error err;

/* The arguments joined by '|', or the reason. What Python's shlex.split makes of them. */
static const char *split(const char *command)
{
    char **argv;
    const char *why = "", *all = "";
    if (!process_split(command, &arena, &argv, &why))
        return why;
    for (size_t i = 0; argv[i]; i++)
        all = arena_printf(&arena, "%s%s%s", all, i ? "|" : "", argv[i]);
    return all;
}

static void commands_are_split_as_a_shell_does(void **state)
{
    (void)state;
    static const struct {
        const char *command, *want;
    } cases[] = {
        {"a b\tc ", "a|b|c"},
        {" /opt/p\\ q --x='y z'", "/opt/p q|--x=y z"},
        {"p \"a b\" 'c d'e f\"g\"h", "p|a b|c de|fgh"},
        {"p \"a\\\"b\\\\c\\n\"", "p|a\"b\\c\\n"},
        {"p 'a\\b' '' \"\"", "p|a\\b||"},
        {"p '$HOME | x'", "p|$HOME | x"},
        {"p *?~#", "p|*?~#"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(split(cases[i].command), cases[i].want);
    static const char *const shell[] = {"a | b", "a; b", "a && b", "a > b", "a $B", "a `b`", "a \\\\$x"};
    for (size_t i = 0; i < COUNT(shell); i++)
        assert_non_null(strstr(split(shell[i]), "sh -c"));
    assert_non_null(strstr(split("a 'b"), "quote"));
    assert_non_null(strstr(split("a \"b"), "quote"));
    assert_non_null(strstr(split("  "), "empty"));
}

static char out[64];

static bool run(const char *script, double seconds, struct process_result *r)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    memset(out, 0, sizeof out);
    error_clear(&err);
    return process_run(argv, seconds, out, sizeof out - 1, r, &err);
}

static void output_and_status_come_back(void **state)
{
    (void)state;
    struct process_result r;
    assert_true(run("cat; printf hello; exit 3", 60, &r)); /* cat: standard input is empty */
    assert_string_equal(out, "hello");
    assert_int_equal(r.status, 3);
    assert_int_equal(r.n_bytes, 5);
    assert_true(run("kill -9 $$", 60, &r));
    assert_int_equal(r.status, -SIGKILL);
    /* Somebody who keeps the pipe open is not waited for. */
    double begun = clock_seconds();
    assert_true(run("sleep 60 2>/dev/null & printf x", 60, &r));
    assert_string_equal(out, "x");
    assert_true(clock_seconds() - begun < 30);
    char *missing[] = {"/no/such/program", NULL};
    assert_false(process_run(missing, 1, out, 1, &r, &err));
    assert_non_null(strstr(err.message, "/no/such/program"));
}

static void too_much_and_too_long_are_ended(void **state)
{
    (void)state;
    struct process_result r;
    assert_false(run("while :; do echo too much; done", 60, &r));
    assert_non_null(strstr(err.message, "more than 63 bytes"));
    double begun = clock_seconds();
    assert_false(run("sleep 100; printf x", 0.3, &r));
    assert_non_null(strstr(err.message, "not ended"));
    stop_request(SIGTERM);
    assert_false(run("sleep 100", 60, &r));
    assert_int_equal(err.code, ERR_STOPPED);
    stop_request(0);
    assert_true(clock_seconds() - begun < 50);
}

static void no_core_is_left(void **state)
{
    (void)state;
    struct rlimit limit;
    process_forbid_core();
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_true(limit.rlim_cur <= 1);
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_split_as_a_shell_does),
        cmocka_unit_test(output_and_status_come_back),
        cmocka_unit_test(too_much_and_too_long_are_ended),
        cmocka_unit_test(no_core_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
