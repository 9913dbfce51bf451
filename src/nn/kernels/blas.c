/* OpenBLAS behind the gemm slot. Loaded with dlopen for two reasons: the core type is read from the environment by the
 * library's constructor, before main if it were linked; and the skip path never pays for loading 30 MB. */
#include "nn/kernels/kernel_sets.h"

#include <dlfcn.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* the C interface's ABI constants (CBLAS, netlib) */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads_fn(int n);

static sgemm_fn *cblas_sgemm;

static void gemm(bool ta, bool tb, int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
                 real *c, int ldc)
{
    cblas_sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
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
    k->gemm = gemm;
    return true;
}
