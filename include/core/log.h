/* What the user reads while retrain works. Thread safe; each call writes one whole line and flushes it.
 *
 * Text from outside (file names, class names, server replies) is safe to pass: control characters are shown as
 * \xNN, and a line can never start a workflow command ("::name::" at its start, "##[" anywhere), because every
 * line starts with a prefix of ours and "##[" is broken up. Only log_annotate and log_group emit commands, with
 * their data escaped. Never pass a secret. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

#include "core/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_commands { LOG_COMMANDS_NONE, LOG_COMMANDS_GITHUB, LOG_COMMANDS_GITLAB };

struct log_options {
    enum log_format format;
    enum log_commands commands;
    enum log_level least; /* lines below it are dropped; LOG_INFO by default, LOG_DEBUG with RUNNER_DEBUG=1 */
    int fd;               /* where lines go; 2 (standard error) by default: standard output carries results */
};

void log_configure(const struct log_options *o);

/* Text form: "retrain: message", "retrain: warning: message". JSON form: {"time":..,"level":..,"message":..}. */
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_notice(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* One defect at a place: "file:line: message" as text; a GitHub annotation with file and line where the host knows
 * them (at most 10 per level a run; later ones are plain lines). line 0 = unknown. file is relative to the workspace. */
void log_annotate(enum log_level level, const char *file, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A collapsible section of the log, where the host has them; a plain title elsewhere. Not nested. */
void log_group_begin(const char *title);
void log_group_end(void);

/* Asks the host to mask a secret in all later output (GitHub: ::add-mask::). Call before anything could print it.
 * Values shorter than 8 bytes are ignored: masking them would wreck the log. */
void log_mask(const char *secret);

bool log_is_terminal(void); /* the log's fd is a terminal, TERM is not "dumb", and the format is text */
/* Redraws one status line in place; only on a terminal (no-op elsewhere). Any log line clears it first. "" removes it. */
void log_status(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
