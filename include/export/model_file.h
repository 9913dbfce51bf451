/* A model as a file. Written as safetensors: the whole state_dict under its usual names, shapes and types, so that the
 * reference's model of the same scale and classes loads it strictly, and the metadata that makes the file enough by itself
 * (format, scale, class names, input size, version; docs/models.md). Read from all that tensor_file.h reads. */
#ifndef EXPORT_MODEL_FILE_H
#define EXPORT_MODEL_FILE_H

#include "detector/model.h"

struct model_file_info {
    const char *version, *dataset_checksum; /* "" = left out */
};

/* weights: [params.n_total], e.g. the best epoch's EMA. Atomic. ERR_DIVERGED when a value is not finite. */
MUST_CHECK bool model_save(const char *path, const struct model *m, const real *weights, const struct model_file_info *info,
                           struct error *e);

/* Reads a file that model_save (or anyone with the same names and metadata) wrote; weights land in params.data. Of a
 * PyTorch checkpoint these are the EMA's where it has one.
 * ERR_CONFIG: cannot be read. ERR_DATA: not such a file, a tensor is missing or has another shape. */
MUST_CHECK bool model_load(const char *path, struct arena *a, struct model *out, struct error *e);

#endif
