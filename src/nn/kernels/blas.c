/* OpenBLAS behind the two product slots: the sum over the channels of one offset is a matrix product, one after the other.
 * A complete set, kept as an independent check of the own kernels, which are several times faster (docs/performance.md).
 * Loaded with dlopen for two reasons: the core type is read from the environment by the library's constructor, before
 * main if it were linked; and the skip path never pays for loading 30 MB. */
#include "nn/kernels/kernel_sets.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* the C interface's ABI constants (CBLAS, netlib) */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads_fn(int n);

static sgemm_fn *cblas_sgemm;

/* A matrix's rows may not overlap: where pixels do (the first layer's), a run is cut at the next pixel. */
static int part_of(int left, ptrdiff_t pixel)
{
    return left < pixel ? left : (int)pixel;
}

static void product(const struct product *a, int n)
{
    for (int p = 0; p < n && !a->is_added; p++)
        memset(a->out + p * a->out_pixel, 0, LANES * sizeof *a->out);
    const real *w = a->w;
    for (int o = 0; o < a->n_offsets; o++)
        for (int i = 0, part; i < a->run; i += part, w += part * LANES) {
            part = part_of(a->run - i, a->x_pixel);
            cblas_sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, n, LANES, part, 1.0f, a->x + a->offsets[o] + i, (int)a->x_pixel, w,
                        LANES, 1.0f, a->out, (int)a->out_pixel);
        }
}

static void outer(const struct outer *a)
{
    for (int r = 0; r < a->n_rows; r++)
        for (int i = 0, part; i < a->run; i += part) {
            part = part_of(a->run - i, a->x_pixel);
            cblas_sgemm(ROW_MAJOR, TRANS, NO_TRANS, part, LANES, a->n_pixels, 1.0f, a->x + r * a->x_row + i,
                        (int)a->x_pixel, a->dy + r * a->dy_row, LANES, 1.0f, a->dw + i * LANES, LANES);
        }
}

bool kernels_openblas(struct kernels *k, const char *core_type, struct error *e)
{
    if (!cblas_sgemm) {
        setenv("OPENBLAS_NUM_THREADS", "1", 1);
        setenv("OPENBLAS_CORETYPE", core_type, 0); /* the user's own choice wins */
        void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
        if (!lib)
            return fail(e, ERR_INTERNAL,
                        "cannot load OpenBLAS (%s): install libopenblas0-pthread, or use --kernels ref", dlerror());
        cblas_sgemm = (sgemm_fn *)dlsym(lib, "cblas_sgemm");
        set_threads_fn *set_threads = (set_threads_fn *)dlsym(lib, "openblas_set_num_threads");
        if (!cblas_sgemm)
            return fail(e, ERR_INTERNAL, "libopenblas.so.0 has no cblas_sgemm: install libopenblas0-pthread");
        if (set_threads)
            set_threads(1);
    }
    k->name = "openblas";
    k->product = product;
    k->outer = outer;
    return true;
}
