/* safetensors files: named tensors with string metadata. Written with the header in the order given and padded with blanks
 * to 8 bytes, the data without holes; the same model gives the same bytes. Reads F32, F16, BF16 (widened), F64 (rounded) and
 * skips integers. */
#ifndef EXPORT_SAFETENSORS_H
#define EXPORT_SAFETENSORS_H

#include "core/str.h"
#include "export/tensor_file.h"

MUST_CHECK bool safetensors_write(const char *path, const struct tensor_file *f, struct error *e); /* atomic */
/* ERR_DATA: damaged, truncated, overlapping or holes in offsets, sizes that do not match, header over 100 MB, not
 * finite values. `what` names the file in errors. Everything lives in the arena or, where it is F32, in `bytes`. */
MUST_CHECK bool safetensors_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e);

#endif
