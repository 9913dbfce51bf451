#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/json.h"
#include "core/log.h"
#include "core/str.h"

static int ends[2];
static char text[1 << 20];

static void begin(enum log_format format, enum log_commands commands, enum log_level least)
{
    assert_int_equal(pipe(ends), 0);
    log_configure(&(struct log_options){.format = format, .commands = commands, .least = least, .fd = ends[1]});
}

/* What was logged since begin(). The pipe holds 64 kB, which is enough for all but the test of threads. */
static const char *end(void)
{
    size_t n = 0;
    ssize_t got;
    log_configure(&(struct log_options){.least = LOG_INFO, .fd = 2});
    close(ends[1]);
    while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    close(ends[0]);
    text[n] = '\0';
    return text;
}

static void text_lines_have_a_prefix(void **state)
{
    (void)state;
    begin(LOG_TEXT, LOG_COMMANDS_NONE, LOG_INFO);
    log_debug("dropped");
    log_info("epoch %d", 3);
    log_notice("n");
    log_warning("w");
    log_error("e");
    log_annotate(LOG_ERROR, "labels/a.txt", 7, "class %d", 9);
    log_annotate(LOG_WARNING, "labels/a.txt", 0, "empty");
    log_annotate(LOG_NOTICE, NULL, 3, "anywhere");
    log_group_begin("title");
    log_group_end();
    log_status("never seen in a pipe");
    log_mask("secret-secret");
    assert_false(log_is_terminal());
    assert_string_equal(end(), "retrain: epoch 3\n"
                               "retrain: notice: n\n"
                               "retrain: warning: w\n"
                               "retrain: error: e\n"
                               "retrain: error: labels/a.txt:7: class 9\n"
                               "retrain: warning: labels/a.txt: empty\n"
                               "retrain: notice: anywhere\n"
                               "retrain: title\n");
    begin(LOG_TEXT, LOG_COMMANDS_NONE, LOG_DEBUG);
    log_debug("seen");
    assert_string_equal(end(), "retrain: debug: seen\n");
}

static void text_from_outside_cannot_command(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"::error::x", "retrain: ::error::x\n"},
        {"a\n::error::x", "retrain: a\\x0a::error::x\n"},
        {"a\r::x", "retrain: a\\x0d::x\n"},
        {"##[error]x", "retrain: # #[error]x\n"},
        {"a ###[group]", "retrain: a ## #[group]\n"},
        {"##[##[", "retrain: # #[# #[\n"},
        {"\x1b[2J\x07", "retrain: \\x1b[2J\\x07\n"},
        {"\xc2\x9b" "2J", "retrain: \\xc2\\x9b2J\n"},
        {"gr\xc3\xbc\xc3\x9f\xe2\x82\xac", "retrain: gr\xc3\xbc\xc3\x9f\xe2\x82\xac\n"},
        {"\xff\xc3", "retrain: \\xff\\xc3\n"},
        {"100 % % done", "retrain: 100 % % done\n"},
        {"", "retrain: \n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(LOG_TEXT, i % 2 ? LOG_COMMANDS_GITHUB : LOG_COMMANDS_GITLAB, LOG_INFO);
        log_info("%s", cases[i].in);
        assert_string_equal(end(), cases[i].out);
    }
}

static void github_gets_commands(void **state)
{
    (void)state;
    begin(LOG_TEXT, LOG_COMMANDS_GITHUB, LOG_INFO);
    log_annotate(LOG_ERROR, "a,b:c%.txt", 7, "50%% of\nlines::are ##[bad]\x1b");
    log_annotate(LOG_WARNING, NULL, 0, "w");
    log_annotate(LOG_NOTICE, "f", 0, "n");
    log_annotate(LOG_INFO, "f", 1, "i");
    log_group_begin("Training\n::stop::");
    log_warning("w");
    log_group_end();
    log_group_end();
    log_mask("short");
    log_mask("100%of\nthe##[secret");
    assert_string_equal(end(), "::error file=a%2Cb%3Ac%25.txt,line=7::50%25 of%0Alines::are # #[bad]\\x1b\n"
                               "::warning::w\n"
                               "::notice file=f::n\n"
                               "retrain: f:1: i\n"
                               "::group::Training%0A::stop::\n"
                               "retrain: warning: w\n"
                               "::endgroup::\n"
                               "::add-mask::100%25of%0Athe##[secret\n");
}

static void annotations_are_capped_by_level(void **state)
{
    (void)state;
    begin(LOG_TEXT, LOG_COMMANDS_GITHUB, LOG_INFO);
    for (int i = 1; i <= 12; i++) {
        log_annotate(LOG_ERROR, "f", (unsigned)i, "e");
        log_annotate(LOG_WARNING, "f", (unsigned)i, "w");
    }
    const char *out = end();
    int n_commands = 0, n_plain = 0;
    for (const char *line = out; *line; line = strchr(line, '\n') + 1) {
        n_commands += strncmp(line, "::", 2) == 0;
        n_plain += strncmp(line, "retrain: ", 9) == 0;
    }
    assert_int_equal(n_commands, 20);
    assert_int_equal(n_plain, 4);
    assert_non_null(strstr(out, "retrain: error: f:11: e\n"));
}

static void gitlab_gets_sections(void **state)
{
    (void)state;
    char title[64], tail[64];
    unsigned first, second;
    long long from, to;
    begin(LOG_TEXT, LOG_COMMANDS_GITLAB, LOG_INFO);
    log_group_begin("Training");
    log_group_end();
    const char *out = end();
    int n = sscanf(out,
                   "\x1b[0Ksection_start:%lld:retrain_%u[collapsed=true]\r\x1b[0K%63[A-Za-z]\n"
                   "\x1b[0Ksection_end:%lld:retrain_%u\r%63s",
                   &from, &first, title, &to, &second, tail);
    assert_int_equal(n, 6);
    assert_string_equal(title, "Training");
    assert_string_equal(tail, "\x1b[0K");
    assert_true(first == second && from > 1700000000 && to >= from);
    assert_true(str_ends(str_of(out), "\r\x1b[0K\n"));
}

static void json_lines_are_json(void **state)
{
    (void)state;
    static const char nasty[] = "a\"b\\c\nd\t\x1b ##[x] gr\xc3\xbc \x7f";
    begin(LOG_JSON, LOG_COMMANDS_GITHUB, LOG_INFO);
    log_warning("%s", nasty);
    log_annotate(LOG_ERROR, "f\"", 3, "broken \xff");
    log_group_begin("title");
    log_group_end();
    const char *out = end();
    assert_null(strstr(out, "##["));
    struct str rest = str_of(out), line;
    struct json *v;
    struct error e = {0};
    int n = 0;
    while (str_cut(&rest, '\n', &line)) {
        if (!json_parse(line, "line", &v, &e))
            fail_msg("%s: %s", e.message, out);
        const char *message = json_string(json_get(v, "message"), "?");
        assert_int_equal(strlen(json_string(json_get(v, "time"), "")), 20);
        if (n == 0) {
            assert_string_equal(message, nasty);
            assert_string_equal(json_string(json_get(v, "level"), "?"), "warning");
        } else if (n == 1) {
            assert_string_equal(json_string(json_get(v, "file"), "?"), "f\"");
            assert_true(json_number(json_get(v, "line"), 0) == 3.0);
            assert_string_equal(message, "broken \\xff");
        } else {
            assert_string_equal(message, "title");
        }
        json_free(v);
        n++;
    }
    assert_int_equal(n, 3);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_info("%s", (const char *)arg);
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    static char words[4][40];
    pthread_t threads[4];
    begin(LOG_TEXT, LOG_COMMANDS_NONE, LOG_INFO);
    for (int i = 0; i < 4; i++) {
        memset(words[i], 'a' + i, 39);
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, words[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct str rest = str_of(end()), line;
    int n = 0;
    for (; str_cut(&rest, '\n', &line); n++) {
        assert_int_equal(line.n, 9 + 39);
        for (size_t i = 10; i < line.n; i++)
            assert_true(line.p[i] == line.p[9]);
    }
    assert_int_equal(n, 800);
}

/* Into `text`. The kernel hands a terminal's output over in pieces: reads on until `n` bytes are there, and what follows
 * them at once; gives up after two seconds without any. */
static void read_terminal(int fd, size_t n)
{
    size_t total = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (total < sizeof text - 1 && poll(&wait, 1, total < n ? 2000 : 0) > 0) {
        ssize_t got = read(fd, text + total, sizeof text - 1 - total);
        if (got <= 0)
            break;
        total += (size_t)got;
    }
    text[total] = '\0';
}

/* A pseudo-terminal shows what a user's terminal would get. */
static void a_terminal_has_a_status_line(void **state)
{
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        skip();
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    setenv("TERM", "xterm", 1);
    log_configure(&(struct log_options){.least = LOG_INFO, .fd = slave});
    assert_true(log_is_terminal());
    log_status("%s", "");
    log_status("epoch %d", 1);
    log_info("line");
    log_status("epoch %d\n%s", 2,
               "------------------------------------------------------------------------------------------------");
    log_status("%s", "");
    setenv("TERM", "dumb", 1);
    assert_false(log_is_terminal());
    log_status("unseen");
    log_configure(&(struct log_options){.least = LOG_INFO, .fd = 2});
    char want[400];
    char dashes[] = "-------------------------------------------------------------------------------";
    dashes[79 - strlen("epoch 2\\x0a")] = '\0';
    snprintf(want, sizeof want, "\r\x1b[Kepoch 1\r\x1b[Kretrain: line\r\n\r\x1b[Kepoch 2\\x0a%s\r\x1b[K", dashes);
    read_terminal(master, strlen(want));
    close(slave);
    close(master);
    assert_string_equal(text, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines_have_a_prefix),        cmocka_unit_test(text_from_outside_cannot_command),
        cmocka_unit_test(github_gets_commands),            cmocka_unit_test(annotations_are_capped_by_level),
        cmocka_unit_test(gitlab_gets_sections),            cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(threads_do_not_mix_lines),        cmocka_unit_test(a_terminal_has_a_status_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
