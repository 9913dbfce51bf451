/* ONNX files as named tensors: the initialisers of the graph, of which nothing else is looked at. */
#ifndef EXPORT_ONNX_READ_H
#define EXPORT_ONNX_READ_H

#include "core/str.h"
#include "export/tensor_file.h"

/* Floats of 2, 4 and 8 bytes; integers (shapes, axes) are skipped. Metadata `names` and `imgsz` where the file has them.
 * ERR_DATA: damaged, no graph, no initialisers, tensors in other files, not finite. `what` names the file in errors.
 * Everything lives in the arena. */
MUST_CHECK bool onnx_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e);

#endif
