/* What a CI host or a shell starts. As PID 1 of a container it must install its own signal handlers (the kernel gives
 * it none) and reaps nothing, because it starts no processes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"
#include "core/stop.h"
#include "command/command.h"

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL; /* a workflow sets what it leaves out to the empty string */
}

int main(int argc, char **argv)
{
    char cwd[4096];
    struct error e = {0};
    stop_install();
    setvbuf(stdout, NULL, _IOLBF, 0); /* results and log keep their order in a CI log */
    if (!getcwd(cwd, sizeof cwd))
        snprintf(cwd, sizeof cwd, "/");

    struct command_input in = {
        .argc = argc,
        .argv = (const char *const *)argv,
        .environment = (const char *const *)environ,
        .getenv = environment,
        .cwd = cwd,
    };
    if (command_main(&in, &e)) {
        if (fflush(stdout) == 0)
            return 0;
        log_error("standard output cannot be written");
        return error_exit_code(ERR_INTERNAL);
    }
    /* On GitHub the line that people see first. A stop that left a checkpoint is no error. */
    log_annotate(e.code == ERR_STOPPED ? LOG_NOTICE : LOG_ERROR, NULL, 0, "%s", e.message);
    return e.code == ERR_STOPPED ? stop_exit_code() : error_exit_code(e.code);
}
