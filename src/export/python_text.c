#include "export/python_text.h"

#include <string.h>

/* The code point of a well-formed sequence and its length. */
static size_t decode(const unsigned char *p, uint32_t *code)
{
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    *code = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        *code = *code << 6 | (p[i] & 0x3f);
    return n;
}

/* What Python's repr escapes beyond ASCII, as far as class names meet it: C1 controls, odd blanks, invisible marks. */
static bool is_unprintable(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0x3000 || (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff ||
           (c >= 0xfff0 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe;
}

static void escape(uint32_t c, struct str_buf *out)
{
    if (c == '\n' || c == '\r' || c == '\t')
        str_buf_adds(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    else
        str_buf_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void python_repr(struct str s, struct str_buf *out)
{
    bool is_utf8 = str_is_utf8(s), has_single = false, has_double = false;
    for (size_t i = 0; i < s.n; i++) {
        has_single |= s.p[i] == '\'';
        has_double |= s.p[i] == '"';
    }
    char quote = has_single && !has_double ? '"' : '\'';
    str_buf_addc(out, quote);
    for (size_t i = 0; i < s.n;) {
        uint32_t c = (unsigned char)s.p[i];
        size_t n = is_utf8 ? decode((const unsigned char *)s.p + i, &c) : 1;
        if (c == (uint32_t)quote || c == '\\') {
            str_buf_addc(out, '\\');
            str_buf_addc(out, (char)c);
        } else if (is_unprintable(c) || (!is_utf8 && c >= 0x80)) {
            escape(c, out);
        } else {
            str_buf_addn(out, s.p + i, n);
        }
        i += n;
    }
    str_buf_addc(out, quote);
}

/* ---- reading ---- */

/* Of literals in metadata, blanks at the end count no more than others. */
static void skip_blanks(struct str *s)
{
    *s = str_trim(*s);
}

static bool take_char(struct str *s, char c)
{
    skip_blanks(s);
    if (s->n == 0 || *s->p != c)
        return false;
    *s = str_slice(*s, 1, s->n);
    return true;
}

static void add_utf8(uint32_t c, struct str_buf *out)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i >= 0; i--) {
        uint32_t part = c >> (6 * i);
        str_buf_addc(out, n == 1 ? (char)c : i == n - 1 ? (char)(part | marks[n]) : (char)((part & 0x3f) | 0x80));
    }
}

/* What stands behind a backslash. */
static bool take_escape(struct str *s, struct str_buf *out)
{
    static const char plain[] = "\\'\"nrt", meant[] = "\\'\"\n\r\t";
    if (s->n == 0)
        return false;
    char c = *s->p;
    *s = str_slice(*s, 1, s->n);
    const char *found = strchr(plain, c);
    if (c && found) {
        str_buf_addc(out, meant[found - plain]);
        return true;
    }
    size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (n_digits == 0 || s->n < n_digits)
        return false;
    for (size_t i = 0; i < n_digits; i++) {
        static const char digits[] = "0123456789abcdef";
        char digit = s->p[i] >= 'A' && s->p[i] <= 'F' ? (char)(s->p[i] + 'a' - 'A') : s->p[i];
        const char *value = digit ? strchr(digits, digit) : NULL;
        if (!value)
            return false;
        code = code << 4 | (uint32_t)(value - digits);
    }
    *s = str_slice(*s, n_digits, s->n);
    if (code == 0 || code > 0x10ffff)
        return false;
    add_utf8(code, out);
    return true;
}

static bool take_text(struct str *s, struct str_buf *out)
{
    skip_blanks(s);
    if (s->n == 0 || (*s->p != '\'' && *s->p != '"'))
        return false;
    char quote = *s->p;
    *s = str_slice(*s, 1, s->n);
    while (s->n > 0) {
        char c = *s->p;
        *s = str_slice(*s, 1, s->n);
        if (c == quote)
            return !out->overflow && str_is_utf8(str_buf_view(out));
        if (c != '\\')
            str_buf_addc(out, c);
        else if (!take_escape(s, out))
            return false;
    }
    return false;
}

static bool take_key(struct str *s, int64_t want)
{
    size_t n = 0;
    int64_t key;
    skip_blanks(s);
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (!str_to_int64(str_slice(*s, 0, n), &key) || key != want)
        return false;
    *s = str_slice(*s, n, s->n);
    return take_char(s, ':');
}

static bool take_names(struct str *s, struct json *list)
{
    bool is_dict = take_char(s, '{');
    if (!is_dict && !take_char(s, '['))
        return false;
    for (int64_t i = 0; !take_char(s, is_dict ? '}' : ']'); i++) {
        struct str_buf name = STR_BUF(4096);
        bool ok = (i == 0 || take_char(s, ',')) && (!is_dict || take_key(s, i)) && take_text(s, &name);
        if (ok)
            json_append(list, json_new_string(str_buf_text(&name)));
        str_buf_free(&name);
        if (!ok)
            return false;
    }
    skip_blanks(s);
    return s->n == 0 && json_len(list) > 0;
}

bool python_names(struct str text, struct json **out)
{
    *out = json_new_array();
    if (take_names(&text, *out))
        return true;
    json_free(*out);
    *out = NULL;
    return false;
}
