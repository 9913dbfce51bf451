/* The files that fill the kernel table. */
#ifndef NN_KERNELS_KERNEL_SETS_H
#define NN_KERNELS_KERNEL_SETS_H

#include "nn/kernels.h"

/* Overrides the two product slots. Loads libopenblas with one thread per call (the pool has the threads) and the core type asked for ("Haswell",
 * "SkylakeX"): Debian 12's 0.3.21 does not know newer CPUs and would choose slow kernels by itself. */
MUST_CHECK bool kernels_openblas(struct kernels *k, const char *core_type, struct error *e);
void kernels_avx2(struct kernels *k);
void kernels_avx512(struct kernels *k);

#endif
