#include "export/tensor_file.h"

#include <string.h>

#include "core/fs.h"
#include "export/onnx_read.h"
#include "export/safetensors.h"
#include "export/torch_file.h"
#include "export/zip.h"

#define WEIGHTS_MAX_BYTES ((size_t)2 << 30)
#define BN_EPS 1e-3

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

static bool ends(const char *name, const char *suffix)
{
    return str_ends(str_of(name), suffix);
}

static const float *filled(struct arena *a, size_t n, float value)
{
    float *values = ARENA_NEW(a, float, n);
    for (size_t i = 0; i < n; i++)
        values[i] = value;
    return values;
}

/* Files for inference have BatchNorm folded into the convolution before it: conv.weight and conv.bias, no bn. They get a
 * BatchNorm that leaves the function as it is: scale 1, mean 0, variance 1 - eps, and the bias. */
static void unfold(struct tensor_file *f, struct arena *a)
{
    size_t n = f->n_tensors;
    struct file_tensor *all = ARENA_NEW(a, struct file_tensor, mem_mul(n, 5));
    f->n_tensors = 0;
    for (size_t i = 0; i < n; i++) {
        const struct file_tensor t = f->tensors[i];
        all[f->n_tensors++] = t;
        if (!ends(t.name, ".conv.bias"))
            continue;
        struct tensor_file given = {.tensors = f->tensors, .n_tensors = n};
        const char *module = arena_strndup(a, t.name, strlen(t.name) - strlen("conv.bias"));
        const struct file_tensor *weight = tensor_file_find(&given, arena_printf(a, "%sconv.weight", module));
        if (!weight || weight->n_dims != 4 || t.n_dims != 1 || weight->dims[0] != t.dims[0] ||
            tensor_file_find(&given, arena_printf(a, "%sbn.weight", module)))
            continue;
        const struct {
            const char *name;
            const float *data;
        } made[] = {{"bn.weight", filled(a, t.n, 1)},
                    {"bn.bias", t.data},
                    {"bn.running_mean", filled(a, t.n, 0)},
                    {"bn.running_var", filled(a, t.n, (float)(1 - BN_EPS))}};
        f->n_tensors--; /* the bias itself has moved */
        for (size_t k = 0; k < sizeof made / sizeof *made; k++) {
            all[f->n_tensors] = t;
            all[f->n_tensors].name = arena_printf(a, "%s%s", module, made[k].name);
            all[f->n_tensors++].data = made[k].data;
        }
    }
    f->tensors = all;
}

static bool is_onnx(struct str bytes, const char *path)
{
    return !strcmp(fs_ext(path), ".onnx") || (bytes.n > 8 && bytes.p[0] == 0x08 && bytes.p[8] != '{'); /* ir_version comes first */
}

static bool parse(const char *path, struct str bytes, struct arena *a, struct tensor_file *out, struct error *e)
{
    if (zip_is(bytes))
        return torch_file_parse(bytes, path, a, out, e);
    if (torch_file_is_legacy(bytes))
        return fail(e, ERR_CONFIG,
                    "%s: PyTorch's format from before version 1.6; save it again: torch.save(torch.load(path), path)", path);
    if (is_onnx(bytes, path))
        return onnx_parse(bytes, path, a, out, e);
    return safetensors_parse(bytes, path, a, out, e);
}

bool tensor_file_read(const char *path, struct arena *a, struct tensor_file *out, struct error *e)
{
    struct str bytes;
    if (!fs_read_file(path, WEIGHTS_MAX_BYTES, a, &bytes, e)) {
        e->code = ERR_CONFIG;
        return false;
    }
    if (!parse(path, bytes, a, out, e))
        return false;
    unfold(out, a);
    return true;
}
