/* The one way in which retrain's functions fail.
 *
 * A fallible function returns bool and takes `struct error *` as its last argument. On success it leaves the
 * error untouched. On failure it has written a code and a message that is complete enough to print: what failed,
 * on which file, line, option or permission, and what to do. Callers add one clause with fail_in(); only the
 * program's outermost level prints.
 *
 *     if (!fs_read_file(path, LIMIT_CONFIG, arena, &text, e))
 *         return fail_in(e, "configuration");
 *
 * No secret ever enters an error. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* What the caller does about it. X(name, exit code of the program, word for logs) */
#define ERROR_CODES(X)                                                                                       \
    X(ERR_NONE, 0, "none")                                                                                   \
    X(ERR_INTERNAL, 1, "internal")   /* our fault, or the machine's: local I/O, memory */                    \
    X(ERR_CONFIG, 2, "config")       /* usage or configuration: the user changes an option */                \
    X(ERR_DATA, 3, "dataset")        /* the dataset is invalid: the user changes a file */                   \
    X(ERR_STORE, 4, "store")         /* store or network, final: denied, missing bucket, broken reply */     \
    X(ERR_NET, 4, "network")         /* store or network, transient: a retry may help */                     \
    X(ERR_GATE, 5, "gate")           /* the quality gate refused the model */                                \
    X(ERR_DIVERGED, 6, "diverged")   /* the loss is not finite */                                            \
    X(ERR_STOPPED, 1, "stopped")     /* a stop signal came; see core/stop.h for the exit code */

enum error_code {
#define ERROR_ENUM(name, exit_code, word) name,
    ERROR_CODES(ERROR_ENUM)
#undef ERROR_ENUM
};

struct error {
    enum error_code code;
    char message[2048]; /* UTF-8, one line, cut at the end if longer; never empty after a failure */
};

/* Writes code and message; always returns false. Control characters (newlines too) become '?'. */
bool fail(struct error *e, enum error_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "clause: " before the message; keeps the code; always returns false. */
bool fail_in(struct error *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

void error_clear(struct error *e);
int error_exit_code(enum error_code code);
const char *error_word(enum error_code code);

/* A broken promise between our own functions: prints file, line and message, and aborts. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
