#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"
#include "core/utf8.h"

#define LINE_MOST ((size_t)64 << 10)
#define MESSAGE_MOST 8192
#define ANNOTATIONS_MOST 10 /* a level and step; GitHub drops the rest without a word */

/* The one piece of state in this module, guarded by `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_options options = {.least = LOG_INFO, .fd = 2};
static unsigned n_annotations[LOG_ERROR + 1];
static unsigned section; /* of GitLab's log; 0 = none is open */
static bool is_section_open, has_status;

static const char *const words[] = {"debug", "info", "notice", "warning", "error"};

void log_configure(const struct log_options *o)
{
    pthread_mutex_lock(&lock);
    options = *o;
    if (options.fd <= 0)
        options.fd = 2;
    memset(n_annotations, 0, sizeof n_annotations);
    pthread_mutex_unlock(&lock);
}

/* ---- escaping ---- */

enum escape {
    ESCAPE_PLAIN,    /* control characters as \xNN */
    ESCAPE_DATA,     /* and % CR LF as GitHub's commands want them (a line feed breaks the annotation's text) */
    ESCAPE_PROPERTY, /* and : , */
    ESCAPE_JSON,
};

/* One byte that must not be shown as it is. */
static void add_byte(struct str_buf *b, unsigned char c, enum escape how)
{
    if (how == ESCAPE_JSON)
        str_buf_printf(b, c < 0x80 ? "\\u%04x" : "\\\\x%02x", c);
    else
        str_buf_printf(b, "\\x%02x", c);
}

/* "##[" begins a command of the older kind anywhere in a line; it is broken up in all of our output. */
static void add_escaped(struct str_buf *b, const char *s, enum escape how)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(s + i, n - i);
        char c = s[i];
        bool is_for_command = how == ESCAPE_DATA || how == ESCAPE_PROPERTY;
        if (n - i >= 3 && memcmp(s + i, "##[", 3) == 0) {
            str_buf_adds(b, how == ESCAPE_JSON ? "#\\u0023" : "# #");
            length = 2;
        } else if (is_for_command && (c == '%' || c == '\r' || c == '\n')) {
            str_buf_printf(b, "%%%02X", c);
        } else if (how == ESCAPE_PROPERTY && (c == ':' || c == ',')) {
            str_buf_printf(b, "%%%02X", c);
        } else if (how == ESCAPE_JSON && (c == '"' || c == '\\')) {
            str_buf_printf(b, "\\%c", c);
        } else if (length == 0 || utf8_is_control(s + i, length)) {
            length = length ? length : 1;
            for (size_t k = 0; k < length; k++)
                add_byte(b, (unsigned char)s[i + k], how);
        } else {
            str_buf_addn(b, s + i, length);
        }
        i += length;
    }
}

/* ---- lines; the caller holds the lock ---- */

static struct str_buf line_begin(void)
{
    struct str_buf b = STR_BUF(LINE_MOST);
    if (has_status)
        str_buf_adds(&b, "\r\x1b[K");
    has_status = false;
    return b;
}

/* One write(2) a line, so that lines of processes which share the log do not mix. A log that cannot be written is no
 * reason to stop training. */
static void write_out(const struct str_buf *b)
{
    const char *p = b->p;
    size_t n = b->n;
    while (n > 0) {
        ssize_t wrote = write(options.fd, p, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return;
        p += wrote;
        n -= (size_t)wrote;
    }
}

static void line_end(struct str_buf *b)
{
    str_buf_addc(b, '\n');
    write_out(b);
    str_buf_free(b);
}

/* file NULL = no place. */
static void write_json(enum log_level level, const char *file, unsigned line, const char *message)
{
    char time[CLOCK_RFC3339];
    clock_rfc3339(clock_now(), time);
    struct str_buf b = line_begin();
    str_buf_printf(&b, "{\"time\":\"%s\",\"level\":\"%s\"", time, words[level]);
    if (file) {
        str_buf_adds(&b, ",\"file\":\"");
        add_escaped(&b, file, ESCAPE_JSON);
        str_buf_addc(&b, '"');
        if (line)
            str_buf_printf(&b, ",\"line\":%u", line);
    }
    str_buf_adds(&b, ",\"message\":\"");
    add_escaped(&b, message, ESCAPE_JSON);
    str_buf_adds(&b, "\"}");
    line_end(&b);
}

static void write_text(enum log_level level, const char *file, unsigned line, const char *message)
{
    struct str_buf b = line_begin();
    str_buf_adds(&b, "retrain: ");
    if (level != LOG_INFO)
        str_buf_printf(&b, "%s: ", words[level]);
    if (file) {
        add_escaped(&b, file, ESCAPE_PLAIN);
        if (line)
            str_buf_printf(&b, ":%u", line);
        str_buf_adds(&b, ": ");
    }
    add_escaped(&b, message, ESCAPE_PLAIN);
    line_end(&b);
}

static void write_message(enum log_level level, const char *file, unsigned line, const char *message)
{
    if (level < options.least)
        return;
    if (options.format == LOG_JSON)
        write_json(level, file, line, message);
    else
        write_text(level, file, line, message);
}

/* ---- messages ---- */

static void log_at(enum log_level level, const char *fmt, va_list args)
{
    char message[MESSAGE_MOST];
    vsnprintf(message, sizeof message, fmt, args);
    pthread_mutex_lock(&lock);
    write_message(level, NULL, 0, message);
    pthread_mutex_unlock(&lock);
}

#define LOG_AT(level, fmt)                                                                                   \
    do {                                                                                                     \
        va_list args;                                                                                        \
        va_start(args, fmt);                                                                                 \
        log_at((level), (fmt), args);                                                                        \
        va_end(args);                                                                                        \
    } while (0)

void log_debug(const char *fmt, ...)
{
    LOG_AT(LOG_DEBUG, fmt);
}

void log_info(const char *fmt, ...)
{
    LOG_AT(LOG_INFO, fmt);
}

void log_notice(const char *fmt, ...)
{
    LOG_AT(LOG_NOTICE, fmt);
}

void log_warning(const char *fmt, ...)
{
    LOG_AT(LOG_WARNING, fmt);
}

void log_error(const char *fmt, ...)
{
    LOG_AT(LOG_ERROR, fmt);
}

static void write_annotation(enum log_level level, const char *file, unsigned line, const char *message)
{
    struct str_buf b = line_begin();
    str_buf_printf(&b, "::%s", words[level]);
    if (file) {
        str_buf_adds(&b, " file=");
        add_escaped(&b, file, ESCAPE_PROPERTY);
        if (line)
            str_buf_printf(&b, ",line=%u", line);
    }
    str_buf_adds(&b, "::");
    add_escaped(&b, message, ESCAPE_DATA);
    line_end(&b);
}

void log_annotate(enum log_level level, const char *file, unsigned line, const char *fmt, ...)
{
    char message[MESSAGE_MOST];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    pthread_mutex_lock(&lock);
    bool is_command = options.commands == LOG_COMMANDS_GITHUB && options.format == LOG_TEXT && level >= LOG_NOTICE &&
                      level >= options.least && n_annotations[level] < ANNOTATIONS_MOST;
    if (is_command) {
        n_annotations[level]++;
        write_annotation(level, file, line, message);
    } else {
        write_message(level, file, line, message);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- sections, masks, status ---- */

void log_group_begin(const char *title)
{
    pthread_mutex_lock(&lock);
    if (options.format == LOG_JSON || options.commands == LOG_COMMANDS_NONE) {
        write_message(LOG_INFO, NULL, 0, title);
    } else {
        struct str_buf b = line_begin();
        is_section_open = true;
        if (options.commands == LOG_COMMANDS_GITHUB)
            str_buf_adds(&b, "::group::");
        else
            str_buf_printf(&b, "\x1b[0Ksection_start:%lld:retrain_%u[collapsed=true]\r\x1b[0K", (long long)clock_now(),
                           ++section);
        add_escaped(&b, title, options.commands == LOG_COMMANDS_GITHUB ? ESCAPE_DATA : ESCAPE_PLAIN);
        line_end(&b);
    }
    pthread_mutex_unlock(&lock);
}

void log_group_end(void)
{
    pthread_mutex_lock(&lock);
    if (is_section_open) {
        struct str_buf b = line_begin();
        is_section_open = false;
        if (options.commands == LOG_COMMANDS_GITHUB)
            str_buf_adds(&b, "::endgroup::");
        else
            str_buf_printf(&b, "\x1b[0Ksection_end:%lld:retrain_%u\r\x1b[0K", (long long)clock_now(), section);
        line_end(&b);
    }
    pthread_mutex_unlock(&lock);
}

/* The secret's own bytes, escaped as the command wants and in no other way: the host must know it as it is. */
void log_mask(const char *secret)
{
    if (!secret || strlen(secret) < 8)
        return;
    pthread_mutex_lock(&lock);
    if (options.commands == LOG_COMMANDS_GITHUB) {
        struct str_buf b = line_begin();
        str_buf_adds(&b, "::add-mask::");
        for (const char *c = secret; *c; c++) {
            if (*c == '%' || *c == '\r' || *c == '\n')
                str_buf_printf(&b, "%%%02X", *c);
            else
                str_buf_addc(&b, *c);
        }
        if (!b.overflow) /* half a secret would be a secret in the log */
            line_end(&b);
        str_buf_free(&b);
    }
    pthread_mutex_unlock(&lock);
}

static bool is_terminal(void)
{
    const char *term = getenv("TERM");
    return options.format == LOG_TEXT && isatty(options.fd) && !(term && strcmp(term, "dumb") == 0);
}

bool log_is_terminal(void)
{
    pthread_mutex_lock(&lock);
    bool is = is_terminal();
    pthread_mutex_unlock(&lock);
    return is;
}

/* Cut to the terminal's width: a line that wraps could not be taken back. Counts characters as one column each. */
static void add_cut(struct str_buf *b, const char *text)
{
    struct winsize w = {0};
    size_t width = ioctl(options.fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1u : 79;
    size_t n = strlen(text), i = 0;
    for (size_t column = 0; i < n && column < width; column++)
        i += utf8_length(text + i, n - i); /* never 0: the text was escaped */
    str_buf_addn(b, text, i);
}

void log_status(const char *fmt, ...)
{
    char message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    pthread_mutex_lock(&lock);
    if (is_terminal() && (has_status || message[0])) {
        struct str_buf shown = STR_BUF(LINE_MOST), b = STR_BUF(LINE_MOST);
        add_escaped(&shown, message, ESCAPE_PLAIN);
        str_buf_adds(&b, "\r\x1b[K");
        add_cut(&b, str_buf_text(&shown));
        write_out(&b);
        has_status = message[0] != '\0';
        str_buf_free(&shown);
        str_buf_free(&b);
    }
    pthread_mutex_unlock(&lock);
}
