/* Other programs, without a shell, and what the system keeps of this one. */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/error.h"

/* Splits a command line into arguments as a POSIX shell would, without expanding anything: blanks separate; '...' is
 * literal; in "..." a backslash escapes " and \ only; elsewhere it escapes the next byte. Python's shlex.split, which the
 * AWS SDK for Python uses for credential_process. *argv is NULL-terminated and in the arena. False: `why` says what is
 * wrong: an open quote, or a character that only a shell understands (| & ; < > ( ) $ `, not quoted). */
bool process_split(const char *command, struct arena *a, char ***argv, const char **why);

struct process_result {
    size_t n_bytes; /* of its standard output */
    int status;     /* exit status; -signal when one ended it */
};

/* Runs argv[0] (found along PATH) with an empty standard input and our standard error, and reads its standard output
 * into `out`. More than max_bytes, more than `seconds`, a stop (core/stop.h) end it and all it has started in its process
 * group: ERR_INTERNAL, ERR_STOPPED. Another exit status than 0 is a result. */
MUST_CHECK bool process_run(char *const *argv, double seconds, char *out, size_t max_bytes, struct process_result *result,
                            struct error *e);

/* From now on a crash leaves no core file, since secrets are in memory. */
void process_forbid_core(void);

#endif
