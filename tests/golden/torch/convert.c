/* Reads a model from a file of any kind and writes DIR/model.safetensors:  convert FILE DIR */
#include <stdio.h>

#include "core/fs.h"
#include "export/model_file.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: convert FILE DIR\n");
        return 2;
    }
    struct arena a = {0};
    struct error e = {0};
    struct model m;
    struct model_file_info info = {"", ""};
    bool ok = model_load(argv[1], &a, &m, &e) && fs_mkdirs(argv[2], &e) &&
              model_save(fs_join(&a, argv[2], "model.safetensors"), &m, m.params.data, &info, &e);
    if (!ok)
        fprintf(stderr, "%s\n", e.message);
    arena_free(&a);
    return ok ? 0 : 1;
}
