/* The whole program behind main: options in, one command done, outputs set. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "core/error.h"
#include "host/host.h"

struct command_input {
    int argc;
    const char *const *argv;
    const char *const *environment; /* NAME=value, NULL-terminated */
    getenv_fn getenv;
    const char *cwd;
};

/* On failure the outputs have been set and the error is complete; ERR_STOPPED means that a stop signal ended the work
 * (after a checkpoint, if there was anything to keep), and the exit code is stop_exit_code(). */
MUST_CHECK bool command_main(const struct command_input *in, struct error *e);

#endif
