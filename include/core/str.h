/* Text: a borrowed view (struct str) and a bounded buffer that owns its bytes (struct str_buf).
 *
 *     struct str_buf b = STR_BUF(64 << 10);       // never grows past the ceiling
 *     str_buf_printf(&b, "%s=%d\n", name, value);
 *     if (b.overflow) ...                          // said once, after all appends
 *     str_buf_free(&b);                                                                                    */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

struct str {
    const char *p; /* not NUL-terminated; may be NULL when n is 0 */
    size_t n;
};

#define STR_LIT(s) ((struct str){(s), sizeof(s) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

struct str str_of(const char *s); /* NULL gives the empty view */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *literal);
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s); /* blanks, tabs, CR, LF on both ends */
/* Cuts the first field off `rest` at `sep`; false when rest was empty. "a,b" gives "a" then "b". */
bool str_cut(struct str *rest, char sep, struct str *field);
struct str str_slice(struct str s, size_t from, size_t to); /* clamped */
char *str_dup(struct arena *a, struct str s);               /* NUL-terminated copy */
bool str_is_utf8(struct str s);                             /* well-formed, no surrogates, no NUL */

/* Whole text must be the number: no blanks, no trailing text, no overflow, no hex, no locale. */
bool str_to_int64(struct str s, int64_t *out);
bool str_to_uint64(struct str s, uint64_t *out);
bool str_to_double(struct str s, double *out); /* decimal with optional exponent; finite only */

/* Levenshtein distance, at most 64 bytes of each considered; for "did you mean". */
unsigned str_distance(struct str a, struct str b);
/* The nearest of `names` (NULL-terminated list) if it is near enough to be meant, else NULL. */
const char *str_nearest(struct str s, const char *const *names);

struct str_buf {
    char *p;        /* NUL-terminated once anything was appended; NULL before */
    size_t n, cap;  /* n excludes the NUL */
    size_t ceiling; /* largest n; appends beyond it are dropped whole and set `overflow` */
    bool overflow;
};

#define STR_BUF(max) ((struct str_buf){.ceiling = (max)})

void str_buf_add(struct str_buf *b, struct str s);
void str_buf_adds(struct str_buf *b, const char *s);
void str_buf_addn(struct str_buf *b, const void *p, size_t n);
void str_buf_addc(struct str_buf *b, char c);
void str_buf_printf(struct str_buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_buf_vprintf(struct str_buf *b, const char *fmt, va_list args);
struct str str_buf_view(const struct str_buf *b);
const char *str_buf_text(const struct str_buf *b); /* "" when empty */
void str_buf_clear(struct str_buf *b);
void str_buf_free(struct str_buf *b);

#endif
