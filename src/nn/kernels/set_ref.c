/* The reference set: plain C, any CPU, float or double. */
#define VEC_REFERENCE
#include "nn/kernels/set.h"

void kernels_ref(struct kernels *k)
{
    *k = KERNEL_SET("ref");
}
