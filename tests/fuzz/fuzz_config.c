#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"
#include "config/config.h"

#define MANY 32

/* One configuration: lines that begin with "$ " are arguments of the command line, with "% " variables of the
 * environment; all others are retrain.yml. */
struct source {
    struct str_buf file;
    const char *argv[MANY + 3], *environment[MANY + 1];
    int argc, n_variables;
};

static void split(struct str text, struct arena *a, struct source *s)
{
    struct str line;
    while (str_cut(&text, '\n', &line)) {
        bool is_argument = str_starts(line, "$ "), is_variable = str_starts(line, "% ");
        char *rest = str_dup(a, str_slice(line, is_argument || is_variable ? 2 : 0, line.n));
        if (is_argument && s->argc < MANY)
            s->argv[s->argc++] = rest;
        else if (is_variable && s->n_variables < MANY)
            s->environment[s->n_variables++] = rest;
        else if (!is_argument && !is_variable) {
            str_buf_addn(&s->file, line.p, line.n);
            str_buf_addn(&s->file, "\n", 1);
        }
    }
}

static void check_recipe(const struct config *c)
{
    struct str_buf text = STR_BUF(1u << 20);
    struct str rest, line, before = {0};
    config_recipe_text(c, "none", 1, &text);
    rest = str_buf_view(&text);
    PROMISE(!text.overflow && rest.n);
    while (str_cut(&rest, '\n', &line)) {
        if (!line.n)
            continue;
        size_t n = before.n < line.n ? before.n : line.n;
        int order = n ? memcmp(before.p, line.p, n) : 0;
        PROMISE(memchr(line.p, '=', line.n) && (order < 0 || (order == 0 && before.n < line.n)));
        before = line;
    }
    str_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct config c;
    struct source s = {.file = STR_BUF(1u << 20), .argv = {"retrain"}, .argc = 1};
    struct host host = {.name = "github", .workspace = "/nonexistent", .repository = "", .commit = "", .ref = "",
                        .run_url = ""};
    struct log_options log = {.least = LOG_ERROR, .fd = 2};

    log_configure(&log);
    split((struct str){(const char *)data, size}, &a, &s);
    int fd = memfd_create("retrain.yml", MFD_CLOEXEC);
    struct str file = str_buf_view(&s.file);
    PROMISE(fd >= 0 && (!file.n || write(fd, file.p, file.n) == (ssize_t)file.n));
    s.argv[s.argc++] = arena_printf(&a, "--config=/proc/self/fd/%d", fd);
    struct config_input in = {s.argc, s.argv, s.environment, &host, &a};
    if (config_load(&in, &c, &e))
        check_recipe(&c);
    else
        PROMISE(e.code == ERR_CONFIG && e.message[0] && str_is_utf8(str_of(e.message)));
    PROMISE(c.command && c.output_json_path);
    close(fd);
    str_buf_free(&s.file);
    arena_free(&a);
    return 0;
}
