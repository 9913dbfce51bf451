#include "fuzz.h"

#include <math.h>

#include "export/onnx_read.h"

/* Whatever was accepted is finite, consistent and inside the file; whatever was refused says why. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct tensor_file f;
    if (!onnx_parse((struct str){(const char *)data, size}, "fuzz.onnx", &a, &f, &e)) {
        PROMISE(e.code == ERR_DATA && e.message[0] && str_is_utf8(str_of(e.message)));
    } else {
        PROMISE(f.n_tensors > 0);
        for (size_t i = 0; i < f.n_tensors; i++) {
            const struct file_tensor *t = &f.tensors[i];
            PROMISE((uint64_t)t->dims[0] * (uint64_t)t->dims[1] * (uint64_t)t->dims[2] * (uint64_t)t->dims[3] == t->n);
            PROMISE(tensor_file_find(&f, t->name) != NULL && t->n * 2 <= size);
            for (size_t j = 0; j < t->n; j++)
                PROMISE(isfinite(t->data[j]));
        }
        for (size_t i = 0; i < f.n_meta; i++)
            PROMISE(tensor_file_meta(&f, f.meta[i].key) != NULL);
    }
    arena_free(&a);
    return 0;
}
