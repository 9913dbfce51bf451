#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/stop.h"

#define LOOK_MS 50

extern char **environ;

/* One argument into `out`; `at` is on its first byte. NULL on an error, else where it ended. */
static const char *one_argument(const char *at, char *out, const char **why)
{
    char quote = 0;
    for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
        if (quote ? *at == quote : *at == '\'' || *at == '"') {
            quote = quote ? 0 : *at;
        } else if (*at == '\\' && at[1] && quote != '\'' && (!quote || at[1] == '"' || at[1] == '\\')) {
            *out++ = *++at;
        } else if (!quote && strchr("|&;<>()$`", *at)) {
            *why = "it runs without a shell, and holds one of | & ; < > ( ) $ `: quote it, or write sh -c '...'";
            return NULL;
        } else {
            *out++ = *at;
        }
    }
    if (quote)
        *why = "a quote is not closed";
    *out = 0;
    return quote ? NULL : at;
}

bool process_split(const char *command, struct arena *a, char ***argv, const char **why)
{
    size_t n = 0, n_bytes = strlen(command) + 2;
    char **all = ARENA_NEW(a, char *, n_bytes / 2 + 1), *to = arena_alloc(a, 2 * n_bytes);

    for (const char *at = command;;) {
        at += strspn(at, " \t\r\n");
        if (!*at)
            break;
        at = one_argument(at, to, why);
        if (!at)
            return false;
        all[n++] = to;
        to += strlen(to) + 1;
    }
    *why = "it is empty";
    *argv = all;
    return n > 0;
}

/* A group of its own, so that a time-out ends its children too, and the signals as a program expects them. */
static int start(char *const *argv, int out_fd, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t usual, none;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setsigmask(&attributes, &none);
    int rc = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* All that is there now; false when there is no room for it. */
static bool drain(int fd, char *out, size_t max_bytes, size_t *n, bool *is_open)
{
    for (;;) {
        char beyond;
        bool is_full = *n == max_bytes;
        ssize_t got = read(fd, is_full ? &beyond : out + *n, is_full ? 1 : max_bytes - *n);
        if (got < 0 && errno == EINTR)
            continue;
        *is_open = got != 0;
        if (got <= 0)
            return true;
        if (is_full)
            return false;
        *n += (size_t)got;
    }
}

static bool watch(pid_t pid, const char *name, int fd, double seconds, char *out, size_t max_bytes,
                  struct process_result *result, struct error *e)
{
    double end = clock_seconds() + seconds;
    bool is_open = true, is_over = false;
    int status = 0;

    /* Over when it has ended, whoever else still holds the pipe. */
    while (!is_over) {
        struct pollfd p = {.fd = is_open ? fd : -1, .events = POLLIN};
        poll(&p, 1, LOOK_MS);
        is_over = waitpid(pid, &status, WNOHANG) == pid;
        if (!drain(fd, out, max_bytes, &result->n_bytes, &is_open))
            fail(e, ERR_INTERNAL, "%s prints more than %zu bytes", name, max_bytes);
        else if (stop_requested())
            fail(e, ERR_STOPPED, "%s: stopped by a signal", name);
        else if (!is_over && clock_seconds() > end)
            fail(e, ERR_INTERNAL, "%s has not ended after %.0f seconds", name, seconds);
        else
            continue;
        kill(-pid, SIGKILL);
        while (!is_over && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        return false;
    }
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return true;
}

bool process_run(char *const *argv, double seconds, char *out, size_t max_bytes, struct process_result *result,
                 struct error *e)
{
    int fds[2];
    pid_t pid = 0;

    memset(result, 0, sizeof *result);
    if (pipe2(fds, O_CLOEXEC))
        return fail(e, ERR_INTERNAL, "pipe: %s", strerror(errno));
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    int rc = start(argv, fds[1], &pid);
    close(fds[1]);
    bool ok = rc ? fail(e, ERR_INTERNAL, "cannot run %s: %s", argv[0], strerror(rc))
                 : watch(pid, argv[0], fds[0], seconds, out, max_bytes, result, e);
    close(fds[0]);
    return ok;
}

void process_forbid_core(void)
{
    /* One byte, not none: that is less than any core, and the one limit at which Linux starts no core_pattern program. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 1 ? limit.rlim_max : 1;
        setrlimit(RLIMIT_CORE, &limit);
    }
}
