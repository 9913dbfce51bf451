#define SIMD_INIT kernels_avx2
#include "nn/kernels/simd.h"
