/* Writes zip archives of stored entries for the tests of their reader: entries as given, sizes and checksums right. */
#ifndef TESTS_STORED_ZIP_H
#define TESTS_STORED_ZIP_H

#include "core/str.h"

struct stored {
    const char *name;
    const char *bytes;
    size_t n;
};

static inline uint32_t stored_crc32(const char *p, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static inline void stored_number(struct str_buf *b, uint64_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++, v >>= 8)
        str_buf_addc(b, (char)(v & 0xff));
}

/* The fields that both headers share, from the version that is needed to the length of the name. */
static inline void stored_common(struct str_buf *b, const struct stored *s, uint32_t crc, size_t n)
{
    stored_number(b, 20, 2);
    stored_number(b, 0, 2);
    stored_number(b, 0, 2);
    stored_number(b, 0, 4);
    stored_number(b, crc, 4);
    stored_number(b, n, 4);
    stored_number(b, n, 4);
    stored_number(b, strlen(s->name), 2);
}

/* is_wide: sizes and places stand in the 64-bit fields, as PyTorch writes them beyond 4 GB. */
static inline struct str stored_zip(struct arena *a, const struct stored *all, size_t n, bool is_wide)
{
    struct str_buf b = STR_BUF(16 << 20), directory = STR_BUF(1 << 20);
    for (size_t i = 0; i < n; i++) {
        const struct stored *s = &all[i];
        uint32_t crc = stored_crc32(s->bytes, s->n);
        uint64_t at = b.n;
        stored_number(&b, 0x04034b50, 4);
        stored_common(&b, s, crc, s->n);
        stored_number(&b, 5, 2); /* an extra field that only the local header has */
        str_buf_adds(&b, s->name);
        str_buf_addn(&b, "FB\1\0Z", 5);
        str_buf_addn(&b, s->bytes, s->n);

        stored_number(&directory, 0x02014b50, 4);
        stored_number(&directory, 20, 2);
        stored_common(&directory, s, crc, is_wide ? 0xffffffff : s->n);
        stored_number(&directory, is_wide ? 32 : 0, 2);
        stored_number(&directory, 0, 12 - 2);
        stored_number(&directory, is_wide ? 0xffffffff : at, 4);
        str_buf_adds(&directory, s->name);
        if (is_wide) {
            str_buf_addn(&directory, "UT\0\0\1\0\x18\0", 8);
            stored_number(&directory, s->n, 8);
            stored_number(&directory, s->n, 8);
            stored_number(&directory, at, 8);
        }
    }
    uint64_t begin = b.n, size = directory.n;
    str_buf_add(&b, str_buf_view(&directory));
    str_buf_free(&directory);
    if (is_wide) {
        uint64_t at = b.n;
        stored_number(&b, 0x06064b50, 4);
        stored_number(&b, 44, 8);
        stored_number(&b, 0, 12);
        stored_number(&b, n, 8);
        stored_number(&b, n, 8);
        stored_number(&b, size, 8);
        stored_number(&b, begin, 8);
        stored_number(&b, 0x07064b50, 4);
        stored_number(&b, 0, 4);
        stored_number(&b, at, 8);
        stored_number(&b, 1, 4);
    }
    stored_number(&b, 0x06054b50, 4);
    stored_number(&b, 0, 4);
    stored_number(&b, is_wide ? 0xffff : n, 2);
    stored_number(&b, is_wide ? 0xffff : n, 2);
    stored_number(&b, is_wide ? 0xffffffff : size, 4);
    stored_number(&b, is_wide ? 0xffffffff : begin, 4);
    stored_number(&b, 0, 2);
    struct str copy = {str_dup(a, str_buf_view(&b)), b.n};
    str_buf_free(&b);
    return copy;
}

#endif
