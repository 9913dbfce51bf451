/* Tensors of a .pt archive: what a pickle says about one, and the bytes of its storage beside the pickle. */
#ifndef EXPORT_TORCH_TENSOR_H
#define EXPORT_TORCH_TENSOR_H

#include "export/pickle.h"
#include "export/tensor_file.h"
#include "export/zip.h"

struct torch_archive {
    const char *what;
    struct zip zip;
    struct str folder;     /* of the archive's entries, with its '/': "best/" */
    uint64_t n_bytes;      /* of the whole file */
    uint64_t n_elements;   /* read so far */
};

/* Integers (num_batches_tracked) are skipped: is_weight tells. ERR_DATA: made in a way that is not known, of a type that
 * is no number, reaching beyond its storage, not finite. Elements are copied to the arena, row-major. */
MUST_CHECK bool torch_tensor_read(struct torch_archive *t, const struct pickle_node *node, const char *name, struct arena *a,
                                  struct file_tensor *out, bool *is_weight, struct error *e);

#endif
