#include "command/show.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 1000
#define LIMIT_LINE_BYTES (16u << 20)

void show_text(const char *text)
{
    size_t n = strlen(text);
    if (n > SHOWN_BYTES) {
        n = SHOWN_BYTES;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        putchar(c < ' ' || c == 0x7f ? '?' : c);
        if (!strncmp(text + i, "##[", 3))
            putchar(' ');
    }
}

void show_json_line(const struct json *v)
{
    struct str_buf text = STR_BUF(LIMIT_LINE_BYTES);
    json_write(v, false, &text);
    const char *p = str_buf_text(&text);
    for (const char *hit; (hit = strstr(p, "##[")); p = hit + 3) /* the sequence can only stand inside a string */
        printf("%.*s#\\u0023[", (int)(hit - p), p);
    printf("%s\n", p);
    fflush(stdout);
    str_buf_free(&text);
}
