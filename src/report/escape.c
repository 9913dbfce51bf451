#include "report/escape.h"

#include <string.h>

#define REPLACEMENT 0xFFFDu

/* Next code point of a NUL-terminated text; 0 at its end. Overlong forms, surrogates and stray bytes give U+FFFD
 * and cost one byte, so a decoder can never be led past the NUL. */
static uint32_t text_next(const unsigned char **p)
{
    const unsigned char *s = *p;
    if (s[0] == 0)
        return 0;
    if (s[0] < 0x80) {
        *p = s + 1;
        return s[0];
    }
    int n = s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : 0;
    uint32_t c = n == 4 ? s[0] & 7u : n == 3 ? s[0] & 15u : s[0] & 31u;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            n = 0;
        else
            c = c << 6 | (s[i] & 63u);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (n == 0 || c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        *p = s + 1;
        return REPLACEMENT;
    }
    *p = s + n;
    return c;
}

/* Characters that change how their neighbours read: zero width, direction marks and overrides, byte order mark,
 * tags (U+E0000). "Trojan Source" (CVE-2021-42574) is about these. */
static bool is_invisible(uint32_t c)
{
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
           c == 0x061C || c == 0xFEFF || c == 0x00AD || (c >= 0xE0000 && c <= 0xE0FFF);
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

static void add_utf8(struct str_buf *out, uint32_t c)
{
    char b[4];
    size_t n;
    if (c < 0x80) {
        b[0] = (char)c;
        n = 1;
    } else if (c < 0x800) {
        b[0] = (char)(0xC0 | c >> 6);
        b[1] = (char)(0x80 | (c & 63));
        n = 2;
    } else if (c < 0x10000) {
        b[0] = (char)(0xE0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 63));
        b[2] = (char)(0x80 | (c & 63));
        n = 3;
    } else {
        b[0] = (char)(0xF0 | c >> 18);
        b[1] = (char)(0x80 | (c >> 12 & 63));
        b[2] = (char)(0x80 | (c >> 6 & 63));
        b[3] = (char)(0x80 | (c & 63));
        n = 4;
    }
    str_buf_addn(out, b, n);
}

typedef void add_fn(struct str_buf *out, uint32_t c, unsigned char next); /* next: the byte that follows, or 0 */

static void escape(struct str_buf *out, const char *text, size_t max_chars, add_fn *add)
{
    const unsigned char *p = (const unsigned char *)(text ? text : "");
    size_t n = 0;
    for (uint32_t c; (c = text_next(&p)) != 0;) {
        if (is_invisible(c))
            continue;
        if (n++ == max_chars) {
            str_buf_adds(out, "\u2026");
            return;
        }
        add(out, is_control(c) ? ' ' : c, *p);
    }
}

static void add_markdown(struct str_buf *out, uint32_t c, unsigned char next)
{
    switch (c) {
    case '<': str_buf_adds(out, "&lt;"); return;
    case '>': str_buf_adds(out, "&gt;"); return;
    case '&': str_buf_adds(out, "&amp;"); return;
    /* Mentions are found after the Markdown is rendered, so a backslash does not stop them; a zero-width space does. */
    case '@': str_buf_adds(out, "@\u200B"); return;
    case '|': case '`': case '*': case '_': case '[': case ']': case '\\': case '#': case '~': case '$': case '!':
        str_buf_addc(out, '\\');
        break;
    case ':': /* keeps "https://" and "::error::" from being found in the raw text */
        if (next == ':' || next == '/') {
            str_buf_adds(out, "&#58;");
            return;
        }
        break;
    default:
        break;
    }
    add_utf8(out, c);
}

static void add_html(struct str_buf *out, uint32_t c, unsigned char next)
{
    (void)next;
    switch (c) {
    case '<': str_buf_adds(out, "&lt;"); return;
    case '>': str_buf_adds(out, "&gt;"); return;
    case '&': str_buf_adds(out, "&amp;"); return;
    case '"': str_buf_adds(out, "&quot;"); return;
    case '\'': str_buf_adds(out, "&#39;"); return;
    default: add_utf8(out, c);
    }
}

void escape_markdown(struct str_buf *out, const char *text, size_t max_chars)
{
    escape(out, text, max_chars, add_markdown);
}

void escape_html(struct str_buf *out, const char *text, size_t max_chars)
{
    escape(out, text, max_chars, add_html);
}
