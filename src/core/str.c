#include "core/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

struct str str_of(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *literal)
{
    return str_eq(a, str_of(literal));
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && str_eq((struct str){s.p, n}, (struct str){prefix, n});
}

bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return n == 0 || (s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

bool str_cut(struct str *rest, char sep, struct str *field)
{
    if (rest->n == 0)
        return false;
    const char *at = memchr(rest->p, sep, rest->n);
    size_t n = at ? (size_t)(at - rest->p) : rest->n;
    *field = (struct str){rest->p, n};
    n += at ? 1 : 0;
    *rest = (struct str){rest->p + n, rest->n - n};
    return true;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    to = to < s.n ? to : s.n;
    from = from < to ? from : to;
    return (struct str){s.p ? s.p + from : NULL, to - from};
}

char *str_dup(struct arena *a, struct str s)
{
    return arena_strndup(a, s.p, s.n);
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_length(s.p + i, s.n - i);
        if (length == 0 || s.p[i] == '\0')
            return false;
        i += length;
    }
    return true;
}

bool str_to_uint64(struct str s, uint64_t *out)
{
    if (s.n > 1 && s.p[0] == '+')
        s = str_slice(s, 1, s.n);
    uint64_t x = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(x, (uint64_t)10, &x) || __builtin_add_overflow(x, (uint64_t)(s.p[i] - '0'), &x))
            return false;
    }
    if (s.n == 0)
        return false;
    *out = x;
    return true;
}

bool str_to_int64(struct str s, int64_t *out)
{
    bool is_negative = s.n > 1 && s.p[0] == '-';
    if (is_negative)
        s = str_slice(s, 1, s.n);
    uint64_t x;
    if ((is_negative && s.p[0] == '+') || !str_to_uint64(s, &x))
        return false;
    if (x > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return false;
    *out = is_negative ? (int64_t)(0 - x) : (int64_t)x;
    return true;
}

static size_t skip_digits(struct str s, size_t i)
{
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i;
}

/* strtod alone would also take blanks, hexadecimal, "inf" and "nan"; so the grammar is checked first. The program
 * never calls setlocale, hence the decimal point is a point. */
bool str_to_double(struct str s, double *out)
{
    char text[512];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    size_t i = s.p[0] == '+' || s.p[0] == '-', from = i;
    i = skip_digits(s, i);
    size_t n_digits = i - from;
    if (i < s.n && s.p[i] == '.') {
        from = ++i;
        i = skip_digits(s, i);
        n_digits += i - from;
    }
    if (n_digits == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        i += i < s.n && (s.p[i] == '+' || s.p[i] == '-');
        from = i;
        i = skip_digits(s, i);
        if (i == from)
            return false;
    }
    if (i != s.n)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double x = strtod(text, NULL);
    if (!isfinite(x))
        return false;
    *out = x;
    return true;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned str_distance(struct str a, struct str b)
{
    unsigned row[65];
    a = str_slice(a, 0, 64);
    b = str_slice(b, 0, 64);
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0]; /* d[i-1][j-1] */
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            row[j] = least(change, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b.n];
}

/* Near enough: at most a third of the longer name is wrong, and never more than three letters. */
const char *str_nearest(struct str s, const char *const *names)
{
    const char *best = NULL;
    unsigned best_distance = 4;
    for (; *names; names++) {
        struct str name = str_of(*names);
        unsigned distance = str_distance(s, name);
        size_t longer = s.n > name.n ? s.n : name.n;
        if (distance < best_distance && 3 * (size_t)distance <= longer) {
            best = *names;
            best_distance = distance;
        }
    }
    return best;
}
