#include "export/protobuf.h"

#include <string.h>

/* Source: https://protobuf.dev/programming-guides/encoding */

/* Seven bits a byte, lowest first; the top bit says that more follow. */
static void add_varint(struct str_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    str_buf_addn(b, bytes, n);
}

static uint64_t key_of(int field, enum pb_wire wire)
{
    return (uint64_t)field << 3 | (uint64_t)wire;
}

void pb_int(struct str_buf *b, int field, int64_t value)
{
    add_varint(b, key_of(field, PB_VARINT));
    add_varint(b, (uint64_t)value);
}

void pb_begin_bytes(struct str_buf *b, int field, size_t n)
{
    add_varint(b, key_of(field, PB_BYTES));
    add_varint(b, n);
}

void pb_text(struct str_buf *b, int field, const char *text)
{
    pb_begin_bytes(b, field, strlen(text));
    str_buf_adds(b, text);
}

void pb_message(struct str_buf *b, int field, struct str_buf *inner)
{
    pb_begin_bytes(b, field, inner->n);
    str_buf_add(b, str_buf_view(inner));
    b->overflow |= inner->overflow;
    str_buf_free(inner);
}

bool pb_varint(struct str *rest, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < rest->n && i < 10; i++) {
        uint64_t part = (unsigned char)rest->p[i];
        if (i == 9 && part > 1) /* beyond 64 bits */
            return false;
        v |= (part & 0x7f) << (7 * i);
        if (part < 0x80) {
            *out = v;
            *rest = str_slice(*rest, i + 1, rest->n);
            return true;
        }
    }
    return false;
}

static bool take(struct str *rest, uint64_t n, struct str *out)
{
    if (n > rest->n)
        return false;
    *out = str_slice(*rest, 0, (size_t)n);
    *rest = str_slice(*rest, (size_t)n, rest->n);
    return true;
}

static bool take_fixed(struct str *rest, size_t n, uint64_t *out)
{
    struct str raw = {0};
    *out = 0;
    if (!take(rest, n, &raw))
        return false;
    memcpy(out, raw.p, n); /* little-endian, as this machine */
    return true;
}

bool pb_next(struct str *rest, struct pb_field *out)
{
    struct str at = *rest;
    uint64_t key = 0, n = 0;
    *out = (struct pb_field){0};
    if (!pb_varint(&at, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return false;
    out->number = (int)(key >> 3);
    out->wire = (enum pb_wire)(key & 7);
    bool ok = out->wire == PB_VARINT    ? pb_varint(&at, &out->value)
              : out->wire == PB_BYTES   ? pb_varint(&at, &n) && take(&at, n, &out->bytes)
              : out->wire == PB_FIXED64 ? take_fixed(&at, 8, &out->value)
              : out->wire == PB_FIXED32 ? take_fixed(&at, 4, &out->value)
                                        : false;
    if (ok)
        *rest = at;
    return ok;
}
