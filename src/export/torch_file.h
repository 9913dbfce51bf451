/* PyTorch's .pt files: checkpoints with a pickled model (the EMA if there is one), pickled models, and state dicts, plain
 * or under "state_dict" or "model". Nothing of the file is executed, see pickle.h. */
#ifndef EXPORT_TORCH_FILE_H
#define EXPORT_TORCH_FILE_H

#include "core/str.h"
#include "export/tensor_file.h"

/* The format from before PyTorch 1.6, or with _use_new_zipfile_serialization=False: a bare pickle. */
bool torch_file_is_legacy(struct str bytes);

/* Metadata `names` and `imgsz` where the checkpoint tells. ERR_DATA: damaged, or nothing in it is weights. `what` names
 * the file in errors. Everything lives in the arena. */
MUST_CHECK bool torch_file_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e);

#endif
