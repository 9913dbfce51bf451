#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/str.h"

/* Secrets pass through small buffers (replies, tokens): what those leave behind is overwritten. */
#define WIPED_MOST (128u << 10)

/* Makes room for n more bytes and the NUL; false (and overflow) when the ceiling forbids it. */
static bool reserve(struct str_buf *b, size_t n)
{
    if (n > b->ceiling || b->n > b->ceiling - n) {
        b->overflow = true;
        return false;
    }
    size_t need = b->n + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : 2 * cap;
    if (cap - 1 > b->ceiling)
        cap = b->ceiling + 1;
    char *had = b->p;
    bool is_small = had && b->cap <= WIPED_MOST;
    b->p = is_small ? mem_alloc(cap) : mem_resize(had, cap);
    if (is_small) {
        memcpy(b->p, had, b->n + 1);
        secure_wipe(had, b->cap);
        mem_free(had);
    }
    b->cap = cap;
    return true;
}

void str_buf_addn(struct str_buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void str_buf_add(struct str_buf *b, struct str s)
{
    str_buf_addn(b, s.p, s.n);
}

void str_buf_adds(struct str_buf *b, const char *s)
{
    str_buf_addn(b, s, strlen(s));
}

void str_buf_addc(struct str_buf *b, char c)
{
    str_buf_addn(b, &c, 1);
}

void str_buf_vprintf(struct str_buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0)
        BUG("str_buf_printf: bad format \"%s\"", fmt);
    if (reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void str_buf_printf(struct str_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    str_buf_vprintf(b, fmt, args);
    va_end(args);
}

struct str str_buf_view(const struct str_buf *b)
{
    return (struct str){b->p, b->n};
}

const char *str_buf_text(const struct str_buf *b)
{
    return b->p ? b->p : "";
}

void str_buf_clear(struct str_buf *b)
{
    b->n = 0;
    b->overflow = false;
    if (b->p)
        b->p[0] = '\0';
}

void str_buf_free(struct str_buf *b)
{
    if (b->p && b->cap <= WIPED_MOST)
        secure_wipe(b->p, b->cap);
    mem_free(b->p);
    *b = (struct str_buf){.ceiling = b->ceiling};
}
