/* Protocol Buffers' wire format, writing only: as much as an ONNX file needs. A message is a buffer of fields. */
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

#endif
