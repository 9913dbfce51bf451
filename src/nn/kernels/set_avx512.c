#include "nn/kernels/kernel_sets.h"
#include "nn/kernels/set.h"

void kernels_avx512(struct kernels *k)
{
    *k = KERNEL_SET("avx512");
}
