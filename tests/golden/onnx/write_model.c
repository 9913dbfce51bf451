/* Writes a detector with random weights and lively BatchNorm statistics as DIR/model.onnx, DIR/dynamic.onnx (the same for any
 * batch) and DIR/model.safetensors:
 *     write_model SCALE IMAGE_SIZE SEED DIR CLASS_NAME... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/rng.h"
#include "detector/model.h"
#include "export/model_file.h"
#include "export/onnx.h"

/* The head's last convolutions, whose outputs must vary from cell to cell for boxes and scores to do so. */
static bool is_output(const char *name)
{
    return strncmp(name, "model.22.", 9) == 0 && strstr(name, ".2.weight");
}

static void enliven(struct model *m, uint64_t seed)
{
    static const float ranges[][2] = {
        [PARAM_BIAS] = {-0.5f, 0.5f}, [PARAM_BN_SCALE] = {0.5f, 1.5f}, [PARAM_MEAN] = {-0.2f, 0.2f}, [PARAM_VAR] = {0.1f, 0.3f}};
    /* At the variance that is lively for n, s and m drive every score to 0 or 1, and magnify rounding on the way. */
    float calm = m->spec.scale == 'n' ? 1 : 2;
    model_init(m, seed);
    for (int i = 0; i < m->params.n_items; i++) {
        const struct param *p = &m->params.items[i];
        struct rng r = rng_at(seed, RNG_TEST, 0, (uint32_t)i);
        for (size_t j = 0; j < p->n; j++)
            if (p->kind == PARAM_WEIGHT)
                m->params.data[p->offset + j] *= is_output(p->name) ? 4 : 1;
            else
                m->params.data[p->offset + j] =
                    (real)rng_range(&r, ranges[p->kind][0], ranges[p->kind][1]) * (p->kind == PARAM_VAR ? calm : 1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: write_model SCALE IMAGE_SIZE SEED DIR CLASS_NAME...\n");
        return 2;
    }
    struct arena a = {0};
    struct error e = {0};
    struct spec spec;
    struct model m;
    const char *const *names = (const char *const *)argv + 5;
    bool ok = spec_build(argv[1][0], argc - 5, &spec, &e);
    if (ok) {
        int size = (int)strtol(argv[2], NULL, 10);
        model_make(&spec, names, size, false, &a, &m);
        enliven(&m, strtoull(argv[3], NULL, 10));
        struct onnx_options o = {
            .image_size = size, .class_names = names, .version = "0123456789ab-01234567", .dataset_checksum = "feed", .date = ""};
        struct model_file_info info = {.version = o.version, .dataset_checksum = o.dataset_checksum};
        struct onnx_options dynamic = o;
        dynamic.dynamic_batch = true;
        ok = fs_mkdirs(argv[4], &e) && onnx_write(fs_join(&a, argv[4], "model.onnx"), &spec, &m.params, m.params.data, &o, &e) &&
             onnx_write(fs_join(&a, argv[4], "dynamic.onnx"), &spec, &m.params, m.params.data, &dynamic, &e) &&
             model_save(fs_join(&a, argv[4], "model.safetensors"), &m, m.params.data, &info, &e);
    }
    if (!ok)
        fprintf(stderr, "write_model: %s\n", e.message);
    arena_free(&a);
    return ok ? 0 : 1;
}
