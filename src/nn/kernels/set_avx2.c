#include "nn/kernels/kernel_sets.h"
#include "nn/kernels/set.h"

void kernels_avx2(struct kernels *k)
{
    *k = KERNEL_SET("avx2");
}
