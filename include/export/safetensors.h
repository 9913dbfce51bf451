/* safetensors files: named tensors with string metadata. Written with the header in the order given and padded with blanks
 * to 8 bytes, the data without holes; the same model gives the same bytes. Reads F32, F16, BF16 (widened) and skips
 * integers. */
#ifndef EXPORT_SAFETENSORS_H
#define EXPORT_SAFETENSORS_H

#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

struct st_tensor {
    const char *name;
    int n_dims;
    int64_t dims[4];
    const float *data;   /* F32; reader: in the arena; writer: borrowed */
    const int64_t *ints; /* writer: when set, the tensor is I64 and these (borrowed) are written instead; reader: NULL */
    size_t n;            /* product of dims */
};
struct st_meta {
    const char *key, *value;
};
struct st_file {
    struct st_tensor *tensors;
    size_t n_tensors;
    struct st_meta *meta;
    size_t n_meta;
};

MUST_CHECK bool safetensors_write(const char *path, const struct st_file *f, struct error *e); /* atomic */
/* ERR_DATA: damaged, truncated, overlapping or holes in offsets, sizes that do not match, header over 100 MB, not
 * finite values. `what` names the file in errors. Everything lives in the arena. */
MUST_CHECK bool safetensors_parse(struct str bytes, const char *what, struct arena *a, struct st_file *out, struct error *e);
const struct st_tensor *safetensors_find(const struct st_file *f, const char *name);
const char *safetensors_meta(const struct st_file *f, const char *key); /* NULL when absent */

#endif
