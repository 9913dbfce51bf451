#include "core/utf8.h"

static int is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The table of RFC 3629, section 4: the second byte's range excludes overlong forms, surrogates and > U+10FFFF. */
size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return n >= 2 && is_tail(p[1]) ? 2 : 0;
    if ((p[0] & 0xF0) == 0xE0) {
        unsigned char low = p[0] == 0xE0 ? 0xA0 : 0x80, high = p[0] == 0xED ? 0x9F : 0xBF;
        return n >= 3 && p[1] >= low && p[1] <= high && is_tail(p[2]) ? 3 : 0;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        unsigned char low = p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xF4 ? 0x8F : 0xBF;
        return n >= 4 && p[1] >= low && p[1] <= high && is_tail(p[2]) && is_tail(p[3]) ? 4 : 0;
    }
    return 0;
}

int utf8_is_control(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    if (length == 1)
        return p[0] < 0x20 || p[0] == 0x7F;
    return length == 2 && p[0] == 0xC2 && p[1] < 0xA0;
}
