/* Named float tensors with string metadata: what a file of weights holds, whatever its format. */
#ifndef EXPORT_TENSOR_FILE_H
#define EXPORT_TENSOR_FILE_H

#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

struct file_tensor {
    const char *name;
    int n_dims;
    int64_t dims[4];     /* unused ones are 1 */
    const float *data;   /* row-major; reader: in the arena or the file's bytes; writer: borrowed */
    const int64_t *ints; /* writer: when set, the tensor is I64 and these (borrowed) are written instead; reader: NULL */
    size_t n;            /* product of dims */
};
struct file_meta {
    const char *key, *value;
};
struct tensor_file {
    struct file_tensor *tensors;
    size_t n_tensors;
    struct file_meta *meta;
    size_t n_meta;
};

const struct file_tensor *tensor_file_find(const struct tensor_file *f, const char *name); /* NULL when absent */
const char *tensor_file_meta(const struct tensor_file *f, const char *key);                /* NULL when absent */

/* Reads safetensors, ONNX and PyTorch's zipped .pt files, told apart by their content, not their name. Tensors have the
 * state_dict's names and finite values; metadata has, where the file tells, `names` (a JSON list of class names) and
 * `imgsz` (decimal). ERR_CONFIG: cannot be read, or a format of which the message says how to convert it. ERR_DATA:
 * damaged. Everything lives in the arena. */
MUST_CHECK bool tensor_file_read(const char *path, struct arena *a, struct tensor_file *out, struct error *e);

#endif
