/* Python literals, for the metadata that readers of ONNX files evaluate as such. */
#ifndef EXPORT_PYTHON_TEXT_H
#define EXPORT_PYTHON_TEXT_H

#include "core/json.h"
#include "core/str.h"

/* Appends repr(s): quotes, and escapes for what would end or break the literal. Text that is not UTF-8 has its bytes
 * from 0x80 shown as \xNN. Printable characters beyond ASCII stay as they are. */
void python_repr(struct str s, struct str_buf *out);

/* Class names as readers of YOLO files know them: {0: 'cat', 1: "it's"} with the keys in order, or a list of texts. False when
 * the text is anything else. On success the result is a JSON list of strings, owned by the caller. */
MUST_CHECK bool python_names(struct str text, struct json **out);

#endif
