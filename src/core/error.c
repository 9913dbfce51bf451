#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

static const struct {
    int exit_code;
    const char *word;
} codes[] = {
#define ERROR_ROW(name, exit_code, word) [name] = {exit_code, word},
    ERROR_CODES(ERROR_ROW)
#undef ERROR_ROW
};

/* One line of UTF-8: what is not, and what would move a terminal's cursor, becomes '?'. A character that was cut in
 * half at the end of the buffer goes the same way, so the result is always well formed. */
static void make_line(char *text)
{
    size_t n = strlen(text), out = 0;
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(text + i, n - i);
        if (length == 0 || utf8_is_control(text + i, length)) {
            text[out++] = '?';
            i += length ? length : 1;
            continue;
        }
        memmove(text + out, text + i, length);
        out += length;
        i += length;
    }
    text[out] = '\0';
}

bool fail(struct error *e, enum error_code code, const char *fmt, ...)
{
    char text[sizeof e->message]; /* the arguments may point into e->message */
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n <= 0)
        snprintf(text, sizeof text, "unnamed failure");
    make_line(text);
    e->code = code;
    memcpy(e->message, text, strlen(text) + 1);
    return false;
}

bool fail_in(struct error *e, const char *fmt, ...)
{
    char clause[512], text[sizeof clause + sizeof e->message + 2];
    va_list args;
    va_start(args, fmt);
    vsnprintf(clause, sizeof clause, fmt, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", clause, e->message);
    text[sizeof e->message - 1] = '\0';
    make_line(text);
    memcpy(e->message, text, strlen(text) + 1);
    return false;
}

void error_clear(struct error *e)
{
    e->code = ERR_NONE;
    e->message[0] = '\0';
}

int error_exit_code(enum error_code code)
{
    return (unsigned)code < sizeof codes / sizeof codes[0] ? codes[code].exit_code : 1;
}

const char *error_word(enum error_code code)
{
    return (unsigned)code < sizeof codes / sizeof codes[0] ? codes[code].word : "unknown";
}

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    make_line(text);
    fprintf(stderr, "retrain: bug: %s:%d: %s; please report this\n", file, line, text);
    abort();
}
