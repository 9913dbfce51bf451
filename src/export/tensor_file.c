#include "export/tensor_file.h"

#include <string.h>

#include "core/fs.h"
#include "export/safetensors.h"
#include "export/torch_file.h"
#include "export/zip.h"

#define WEIGHTS_MAX_BYTES ((size_t)2 << 30)

const struct file_tensor *tensor_file_find(const struct tensor_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return &f->tensors[i];
    return NULL;
}

const char *tensor_file_meta(const struct tensor_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_meta; i++)
        if (!strcmp(f->meta[i].key, key))
            return f->meta[i].value;
    return NULL;
}

bool tensor_file_read(const char *path, struct arena *a, struct tensor_file *out, struct error *e)
{
    struct str bytes;
    if (!fs_read_file(path, WEIGHTS_MAX_BYTES, a, &bytes, e)) {
        e->code = ERR_CONFIG;
        return false;
    }
    if (zip_is(bytes))
        return torch_file_parse(bytes, path, a, out, e);
    if (torch_file_is_legacy(bytes))
        return fail(e, ERR_CONFIG,
                    "%s: PyTorch's format from before version 1.6; save it again: torch.save(torch.load(path), path)", path);
    if (!strcmp(fs_ext(path), ".onnx"))
        return fail(e, ERR_CONFIG, "%s: ONNX weights cannot be read so far: give model.safetensors", path);
    return safetensors_parse(bytes, path, a, out, e);
}
