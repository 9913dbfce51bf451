#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "unit.h"

#include "core/clock.h"
#include "core/fs.h"
#include "host/host_private.h"

static char folder[] = "/tmp/retrain-host-XXXXXX";
static struct arena arena;
static int log_fd = -1;

static const char *const *environment; /* NAME, value, NAME, value, ..., NULL */
static const char *env(const char *name)
{
    for (size_t i = 0; environment && environment[i]; i += 2) {
        if (!strcmp(environment[i], name))
            return environment[i + 1];
    }
    return NULL;
}

static char *place(const char *name)
{
    return fs_join(&arena, folder, name);
}

static const char *read_text(const char *name)
{
    struct str text;
    struct error e = {0};
    if (!fs_read_file(place(name), 4 << 20, &arena, &text, &e))
        fail_msg("%s", e.message);
    return text.p;
}

static void write_text(const char *name, const char *text)
{
    struct error e = {0};
    if (!fs_write_atomic(place(name), str_of(text), &e))
        fail_msg("%s", e.message);
}

static const char *caught_log(void)
{
    static char text[8192];
    ssize_t n = pread(log_fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    assert_int_equal(ftruncate(log_fd, 0), 0);
    lseek(log_fd, 0, SEEK_SET);
    return text;
}

/* --- a reader of GITHUB_OUTPUT, as the runner's FileCommandManager reads it; strict = as act does ------------- */

struct record {
    const char *name, *value;
};

static int parse_outputs(const char *text, bool strict, struct record *out, int max)
{
    struct str rest = str_of(text), line;
    int n = 0;
    while (rest.n) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t length = end ? (size_t)(end - rest.p) : rest.n;
        line = str_slice(rest, 0, length);
        rest = str_slice(rest, end ? length + 1 : length, rest.n);
        if (!line.n) {
            if (strict)
                return -1;
            continue;
        }
        const char *equals = memchr(line.p, '=', line.n), *arrows = memmem(line.p, line.n, "<<", 2);
        if (n == max || (!equals && !arrows))
            return -1;
        if (equals && (!arrows || equals < arrows)) {
            out[n].name = arena_strndup(&arena, line.p, (size_t)(equals - line.p));
            out[n++].value = arena_strndup(&arena, equals + 1, line.n - (size_t)(equals - line.p) - 1);
            continue;
        }
        struct str delimiter = str_slice(line, (size_t)(arrows - line.p) + 2, line.n);
        struct str_buf value = STR_BUF(1 << 20);
        bool closed = false, is_first = true;
        while (rest.n && !closed) {
            end = memchr(rest.p, '\n', rest.n);
            length = end ? (size_t)(end - rest.p) : rest.n;
            struct str part = str_slice(rest, 0, length);
            rest = str_slice(rest, end ? length + 1 : length, rest.n);
            closed = str_eq(part, delimiter);
            if (closed)
                break;
            if (!is_first)
                str_buf_addc(&value, '\n');
            str_buf_add(&value, part);
            is_first = false;
        }
        if (!closed || !delimiter.n)
            return -1;
        out[n].name = arena_strndup(&arena, line.p, (size_t)(arrows - line.p));
        out[n++].value = arena_strdup(&arena, str_buf_text(&value));
        str_buf_free(&value);
    }
    return n;
}

static void github_values_come_back_whole(void **state)
{
    (void)state;
    /* What a hostile class name, file name or commit message could hold. */
    static const struct output all[] = {
        {"plain", "3f9ac1d27b04-5be1c0aa"},
        {"empty", ""},
        {"two-lines", "a\nother=injected"},
        {"heredoc", "x<<EOF\ny\nEOF\nother=injected"},
        {"return", "a\rstatus=published"},
        {"command", "::set-output name=status::published"},
        {"percent", "100%25%0A"},
        {"utf8", "caf\xc3\xa9 \xe2\x98\x95"},
        {"blank-inside", "a\n\nb"},
        {"delimiter-like", "retrain_00000000000000000000000000000000\nother=injected"},
    };
    const char *list[] = {"GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", place("out"), NULL};
    struct host h;
    struct record got[32];
    environment = list;
    write_text("out", "earlier=1\n");
    host_detect(env, "/w", &arena, &h);
    host_set_outputs(&h, all, COUNT(all));
    const char *text = read_text("out");
    assert_int_equal(parse_outputs(text, true, got, 32), COUNT(all) + 1); /* appended, and act accepts it */
    assert_string_equal(got[0].name, "earlier");
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_string_equal(got[i + 1].name, all[i].name);
        assert_string_equal(got[i + 1].value, all[i].value);
    }
    assert_true(text[strlen(text) - 1] == '\n');

    /* a new delimiter each time: 32 hex digits are 128 bits */
    host_set_outputs(&h, all, 1);
    const char *first = strstr(text, "<<"), *second = strstr(read_text("out") + strlen(text), "<<");
    assert_true(strcspn(first, "\n") == 2 + 8 + 32 && strncmp(first, second, 42));
}

static void github_refuses_what_cannot_be_written(void **state)
{
    (void)state;
    static const struct output all[] = {
        {"a", "contains DELIM inside"},
        {"b", "fine"},
        {"bad name", "x"},
        {"bad\nname", "x"},
        {"", "x"},
        {"c=d", "x"},
        {"e<<f", "x"},
        {"DELIM", "x"},
    };
    struct str_buf out = STR_BUF(1 << 16);
    caught_log();
    github_outputs_text(all, COUNT(all), "DELIM", &out);
    assert_string_equal(str_buf_text(&out), "b<<DELIM\nfine\nDELIM\n");
    assert_non_null(strstr(caught_log(), "output 'a' is not set"));
    str_buf_free(&out);
}

static void github_mends_a_file_without_final_newline(void **state)
{
    (void)state;
    static const struct output one[] = {{"status", "skipped"}};
    const char *list[] = {"GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", place("cut"), NULL};
    struct host h;
    struct record got[4];
    environment = list;
    write_text("cut", "earlier=1");
    host_detect(env, "/w", &arena, &h);
    host_set_outputs(&h, one, 1);
    assert_int_equal(parse_outputs(read_text("cut"), true, got, 4), 2);
    assert_string_equal(got[0].value, "1");
}

static void missing_files_never_fail_a_run(void **state)
{
    (void)state;
    static const struct output one[] = {{"status", "skipped"}};
    const char *unset[] = {"GITHUB_ACTIONS", "true", NULL};
    const char *broken[] = {
        "GITHUB_ACTIONS",   "true", "GITHUB_OUTPUT", place("no/such/folder/out"), "GITHUB_STEP_SUMMARY",
        place("no/such/s"), NULL};
    struct host h;
    caught_log();
    environment = unset;
    host_detect(env, "/w", &arena, &h);
    host_set_outputs(&h, one, 1);
    host_add_summary(&h, STR_LIT("x\n"));
    assert_string_equal(caught_log(), "");
    environment = broken;
    host_detect(env, "/w", &arena, &h);
    host_set_outputs(&h, one, 1);
    host_add_summary(&h, STR_LIT("x\n"));
    assert_non_null(strstr(caught_log(), "outputs could not be set"));
}

static void summary_is_appended_and_cut(void **state)
{
    (void)state;
    const char *list[] = {"GITHUB_ACTIONS", "true", "GITHUB_STEP_SUMMARY", place("summary"), NULL};
    struct host h;
    environment = list;
    write_text("summary", "# before\n");
    host_detect(env, "/w", &arena, &h);
    host_add_summary(&h, STR_LIT("short"));
    assert_string_equal(read_text("summary"), "# before\nshort\n");

    struct str_buf big = STR_BUF(4 << 20);
    while (big.n < 1500000)
        str_buf_adds(&big, "| caf\xc3\xa9 | 0.5 |\n");
    host_add_summary(&h, str_buf_view(&big));
    str_buf_free(&big);
    const char *text = read_text("summary");
    assert_true(strlen(text) < 1000000 && strlen(text) > 900000);
    assert_true(str_is_utf8(str_of(text)));
    assert_non_null(strstr(text, "|\n\n\n*The summary was cut here"));
}

static void github_is_read(void **state)
{
    (void)state;
    const char *list[] = {"GITHUB_ACTIONS",
                          "true",
                          "GITHUB_WORKSPACE",
                          "/github/workspace",
                          "GITHUB_REPOSITORY",
                          "o/r",
                          "GITHUB_SHA",
                          "abc",
                          "GITHUB_REF",
                          "refs/heads/main",
                          "GITHUB_RUN_ID",
                          "7",
                          "GITHUB_SERVER_URL",
                          "https://github.com",
                          "RUNNER_DEBUG",
                          "1",
                          "GITHUB_EVENT_PATH",
                          place("workflow/event.json"),
                          NULL};
    struct host h;
    struct error e;
    environment = list;
    assert_true(fs_mkdirs(place("workflow"), &e));
    write_text("workflow/event.json", "{}");
    utime(place("workflow"), &(struct utimbuf){1700000000, 1700000000});
    host_detect(env, "/cwd", &arena, &h);
    assert_string_equal(h.name, "github");
    assert_string_equal(h.workspace, "/github/workspace");
    assert_string_equal(h.repository, "o/r");
    assert_string_equal(h.commit, "abc");
    assert_string_equal(h.ref, "refs/heads/main");
    assert_string_equal(h.run_url, "https://github.com/o/r/actions/runs/7");
    assert_true(h.debug && h.log_commands == LOG_COMMANDS_GITHUB && !h.is_act && !h.is_fork_pull_request);
    assert_true(h.has_job_start && h.job_started == 1700000000);

    /* act: same variables, but no page on a server and a folder that says nothing about the job's start */
    const char *act[] = {"GITHUB_ACTIONS",
                         "true",
                         "ACT",
                         "true",
                         "GITHUB_RUN_ID",
                         "1",
                         "GITHUB_REPOSITORY",
                         "o/r",
                         "GITHUB_SERVER_URL",
                         "https://github.com",
                         "GITHUB_EVENT_PATH",
                         place("workflow/event.json"),
                         NULL};
    environment = act;
    host_detect(env, "/cwd", &arena, &h);
    assert_true(h.is_act && !h.has_job_start);
    assert_string_equal(h.run_url, "");
    assert_string_equal(h.workspace, "/cwd");
}

static void forks_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *event, *text;
        bool is_fork;
    } cases[] = {
        {"pull_request",
         "{\"pull_request\":{\"head\":{\"repo\":{\"full_name\":\"x/r\"}},\"base\":{\"repo\":{\"full_name\":\"o/r\"}}}}",
         true},
        {"pull_request",
         "{\"pull_request\":{\"head\":{\"repo\":{\"full_name\":\"o/r\"}},\"base\":{\"repo\":{\"full_name\":\"o/r\"}}}}",
         false},
        {"pull_request", "{\"pull_request\":{\"head\":{\"repo\":null},\"base\":{\"repo\":{\"full_name\":\"o/r\"}}}}",
         true},
        {"pull_request_target",
         "{\"pull_request\":{\"head\":{\"repo\":{\"full_name\":\"x/r\"}},\"base\":{\"repo\":{\"full_name\":\"o/r\"}}}}",
         false},
        {"push",
         "{\"pull_request\":{\"head\":{\"repo\":{\"full_name\":\"x/r\"}},\"base\":{\"repo\":{\"full_name\":\"o/r\"}}}}",
         false},
        {"pull_request", "{}", false},
        {"pull_request", "not json", false},
        {"pull_request", "[]", false},
        {"pull_request", "", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *list[] = {"GITHUB_ACTIONS",    "true", "GITHUB_EVENT_NAME", cases[i].event, "GITHUB_EVENT_PATH",
                              place("event.json"), NULL};
        struct host h;
        write_text("event.json", cases[i].text);
        environment = list;
        host_detect(env, "/w", &arena, &h);
        if (h.is_fork_pull_request != cases[i].is_fork)
            fail_msg("case %zu", i);
    }
}

/* --- GitLab ----------------------------------------------------------------------------------------------------- */

static void gitlab_is_read(void **state)
{
    (void)state;
    const char *list[] = {"GITLAB_CI",
                          "true",
                          "CI_PROJECT_DIR",
                          "/builds/o/r",
                          "CI_PROJECT_PATH",
                          "o/r",
                          "CI_COMMIT_SHA",
                          "abc",
                          "CI_COMMIT_REF_NAME",
                          "main",
                          "CI_JOB_URL",
                          "https://gitlab.com/o/r/-/jobs/1",
                          "CI_JOB_STARTED_AT",
                          "2026-11-21T08:15:30Z",
                          "CI_JOB_TIMEOUT",
                          "3600",
                          NULL};
    struct host h;
    environment = list;
    host_detect(env, "/cwd", &arena, &h);
    assert_string_equal(h.name, "gitlab");
    assert_string_equal(h.workspace, "/builds/o/r");
    assert_string_equal(h.run_url, "https://gitlab.com/o/r/-/jobs/1");
    assert_true(h.has_job_start && h.job_started == 1795248930 && h.job_timeout_seconds == 3600);
    assert_true(h.log_commands == LOG_COMMANDS_GITLAB && !h.is_fork_pull_request);

    const char *odd[] = {"GITLAB_CI", "true", "CI_JOB_STARTED_AT", "yesterday", "CI_JOB_TIMEOUT", "-5", NULL};
    environment = odd;
    host_detect(env, "/cwd", &arena, &h);
    assert_true(!h.has_job_start && h.job_timeout_seconds == 0);
    assert_string_equal(h.workspace, "/cwd");
}

static void gitlab_job_times(void **state)
{
    (void)state;
    static const struct {
        const char *started, *timeout;
        long at; /* 0 = unknown */
        double seconds;
    } cases[] = {
        {"2026-11-21T08:15:30Z", "3600", 1795248930, 3600},
        {"2026-11-21T08:15:30.123456789Z", "3600.5", 1795248930, 3600.5},
        {"2026-11-21T10:15:30+02:00", "60", 1795248930, 60},
        {"2026-11-21T02:45:30-05:30", "1e4", 1795248930, 10000},
        {"2026-11-21 08:15:30Z", "1", 1795248930, 1},
        {"2026-11-21T08:15:30", "1h", 0, 0}, /* no zone: it could be any hour */
        {"2026-11-21T08:15Z", "0x10", 0, 0},
        {"2026-02-30T08:15:30Z", "nan", 0, 0},
        {"2026-11-21T24:15:30Z", "inf", 0, 0},
        {"2026-11-21T08:15:30.Z", "-1", 0, 0},
        {"2026-11-21T08:15:30+2:00", " 60", 0, 0},
        {"1795248930", "60s", 0, 0},
        {"", "", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *list[] = {"GITLAB_CI", "true", "CI_JOB_STARTED_AT", cases[i].started, "CI_JOB_TIMEOUT", cases[i].timeout, NULL};
        struct host h;
        environment = list;
        host_detect(env, "/cwd", &arena, &h);
        if (h.has_job_start != (cases[i].at != 0) || (cases[i].at && h.job_started != cases[i].at))
            fail_msg("CI_JOB_STARTED_AT %s", cases[i].started);
        if (h.job_timeout_seconds != cases[i].seconds)
            fail_msg("CI_JOB_TIMEOUT %s gives %g", cases[i].timeout, h.job_timeout_seconds);
    }
}

static void github_job_limit(void **state)
{
    (void)state;
    static const struct {
        const char *where, *act;
        double seconds;
    } cases[] = {{"github-hosted", "", 6 * 3600}, {"self-hosted", "", 0}, {"", "", 0}, {"github-hosted", "true", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *list[] = {"GITHUB_ACTIONS", "true", "RUNNER_ENVIRONMENT", cases[i].where, "ACT", cases[i].act, NULL};
        struct host h;
        environment = list;
        host_detect(env, "/cwd", &arena, &h);
        assert_true(h.job_timeout_seconds == cases[i].seconds);
    }
}

/* The dotenv report's whole grammar: KEY=VALUE, keys [A-Za-z0-9_]+, no blanks, no empty lines, at most 5 KB. */
static int count_dotenv(const char *text)
{
    int n = 0;
    struct str rest = str_of(text), line, key;
    if (rest.n > 5120 || (rest.n && rest.p[rest.n - 1] != '\n'))
        return -1;
    while (str_cut(&rest, '\n', &line)) {
        struct str value = line;
        if (!line.n || !str_cut(&value, '=', &key) || !key.n || key.n == line.n)
            return -1;
        if (strspn(key.p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != key.n)
            return -1;
        for (size_t i = 0; i < value.n; i++) {
            if ((unsigned char)value.p[i] <= ' ')
                return -1;
        }
        n++;
    }
    return n;
}

static void gitlab_dotenv_holds_its_grammar(void **state)
{
    (void)state;
    char *long_value = arena_alloc(&arena, 3001);
    memset(long_value, 'x', 3000);
    const struct output all[] = {
        {"model-key", "versions/a/model.onnx"},
        {"map50-95", "0.5"},
        {"empty", ""},
        {"newline", "a\nRETRAIN_STATUS=published"},
        {"blank", "two words"},
        {"return", "a\rb"},
        {"tab", "a\tb"},
        {"equals", "a=b"},
        {"odd.name", "x"},
        {"big", long_value},
        {"too-big", long_value},
        {"last", "y"},
    };
    const char *list[] = {"GITLAB_CI", "true", "CI_PROJECT_DIR", folder, NULL};
    struct host h;
    environment = list;
    write_text("retrain.env", "RETRAIN_OLD=1\n");
    caught_log();
    host_detect(env, "/w", &arena, &h);
    host_set_outputs(&h, all, COUNT(all));
    const char *text = read_text("retrain.env");
    assert_int_equal(count_dotenv(text), 7);
    assert_int_equal(
        strncmp(
            text,
            "RETRAIN_MODEL_KEY=versions/a/"
            "model.onnx\nRETRAIN_MAP50_95=0.5\nRETRAIN_EMPTY=\nRETRAIN_EQUALS=a=b\nRETRAIN_ODD_NAME=x\nRETRAIN_BIG=xxx",
            129),
        0);
    assert_non_null(strstr(text, "RETRAIN_LAST=y\n"));
    const char *said = caught_log();
    assert_non_null(strstr(said, "output 'newline' is not set"));
    assert_non_null(strstr(said, "output 'blank' is not set"));
    assert_non_null(strstr(said, "output 'too-big' is not set"));
}

static void elsewhere_is_local(void **state)
{
    (void)state;
    const char *list[] = {"GITHUB_OUTPUT", place("never"), "CI", "true", NULL};
    static const struct output one[] = {{"a", "b"}};
    struct host h;
    environment = list;
    host_detect(env, "/cwd", &arena, &h);
    assert_string_equal(h.name, "local");
    assert_string_equal(h.workspace, "/cwd");
    assert_string_equal(h.commit, "");
    host_set_outputs(&h, one, 1);
    host_add_summary(&h, STR_LIT("x"));
    assert_false(fs_exists(place("never")));
}

static int set_up(void **state)
{
    (void)state;
    char path[] = "/tmp/retrain-log-XXXXXX";
    log_fd = mkstemp(path);
    unlink(path);
    log_configure(&(struct log_options){.least = LOG_INFO, .fd = log_fd});
    return mkdtemp(folder) && log_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    struct error e;
    arena_free(&arena);
    return fs_remove_tree(folder, &e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(github_values_come_back_whole),
        cmocka_unit_test(github_refuses_what_cannot_be_written),
        cmocka_unit_test(github_mends_a_file_without_final_newline),
        cmocka_unit_test(missing_files_never_fail_a_run),
        cmocka_unit_test(summary_is_appended_and_cut),
        cmocka_unit_test(github_is_read),
        cmocka_unit_test(forks_are_recognised),
        cmocka_unit_test(gitlab_is_read),
        cmocka_unit_test(gitlab_job_times),
        cmocka_unit_test(github_job_limit),
        cmocka_unit_test(gitlab_dotenv_holds_its_grammar),
        cmocka_unit_test(elsewhere_is_local),
    };
    return cmocka_run_group_tests_name("host", tests, set_up, tear_down);
}
