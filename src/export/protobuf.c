#include "export/protobuf.h"

#include <string.h>

/* Wire types of https://protobuf.dev/programming-guides/encoding */
enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2 };

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

static uint64_t key_of(int field, enum wire wire)
{
    return (uint64_t)field << 3 | (uint64_t)wire;
}

void pb_int(struct str_buf *b, int field, int64_t value)
{
    add_varint(b, key_of(field, WIRE_VARINT));
    add_varint(b, (uint64_t)value);
}

void pb_begin_bytes(struct str_buf *b, int field, size_t n)
{
    add_varint(b, key_of(field, WIRE_BYTES));
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
