#include "export/python_text.h"


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
