#define SIMD_INIT kernels_avx512
#include "nn/kernels/simd.h"
