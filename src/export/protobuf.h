/* Protocol Buffers' wire format: as much as an ONNX file needs. A message is a buffer of fields. */
#ifndef EXPORT_PROTOBUF_H
#define EXPORT_PROTOBUF_H

#include <stdint.h>

#include "core/str.h"

#define PB_MAX_BYTES ((size_t)INT32_MAX) /* the format's own limit for a message */
#define PB_MESSAGE STR_BUF(PB_MAX_BYTES)

void pb_int(struct str_buf *b, int field, int64_t value);
void pb_text(struct str_buf *b, int field, const char *text);
/* Appends inner as a nested message and frees it. Its overflow becomes b's. */
void pb_message(struct str_buf *b, int field, struct str_buf *inner);
/* Announces n bytes that the caller appends next: for contents too large to be copied once more. */
void pb_begin_bytes(struct str_buf *b, int field, size_t n);

/* ---- reading ---- */

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };
struct pb_field {
    int number;
    enum pb_wire wire;
    uint64_t value;   /* VARINT and the fixed ones */
    struct str bytes; /* BYTES: texts, messages, packed numbers; a view */
};

/* Cuts the first field off `rest`. False at the message's end, where rest is empty, and at the first byte that is damaged,
 * where it is not. Groups, which nothing has used for long, count as damage. */
bool pb_next(struct str *rest, struct pb_field *out);
/* Cuts a number off packed ones; false as above. */
bool pb_varint(struct str *rest, uint64_t *out);

#endif
