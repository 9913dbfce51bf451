/* A vector of 16 reals, the unit in which the engine computes: two registers on AVX2, one on AVX-512, an array in the
 * reference set. Every kernel is written once in these operations and compiled once per instruction set.
 *
 * All three do the same IEEE operations on the same lanes: a multiply-add is fused where the source says v_fma and
 * nowhere else (-ffp-contract=off), division is exact, nothing is approximated. So the kernel sets give the same bits.
 * Included by set_*.c only. */
#ifndef NN_KERNELS_VEC_H
#define NN_KERNELS_VEC_H

#include <math.h>
#include <string.h>

#include "nn/kernels.h"

/* Kernels keep arrays of vectors in registers by unrolling; the reference has no registers to keep them in, and unrolling
 * sixteen lanes of everything only costs the compiler minutes. */
#ifdef VEC_REFERENCE
#define INLINE static inline
#define UNROLL
#else
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__AVX512F__) && !defined(VEC_REFERENCE)

#include <immintrin.h>

typedef __m512 vec;
#define VEC_ACCUMULATORS 16 /* that fit in registers beside the operands */

INLINE vec v_load(const real *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(real *p, vec x) { _mm512_storeu_ps(p, x); }
INLINE vec v_splat(real x) { return _mm512_set1_ps(x); }
INLINE vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
INLINE vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
INLINE vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
INLINE vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
INLINE vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE vec v_clamp(vec x, vec low, vec high) { return _mm512_min_ps(high, _mm512_max_ps(low, x)); }
INLINE vec v_round(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vec v_power_of_two(vec n)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

#elif defined(__AVX2__) && !defined(VEC_REFERENCE)

#include <immintrin.h>

typedef struct {
    __m256 a, b;
} vec;
#define VEC_ACCUMULATORS 6

INLINE vec v_load(const real *p) { return (vec){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
INLINE void v_store(real *p, vec x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
INLINE vec v_splat(real x) { return (vec){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE vec v_add(vec x, vec y) { return (vec){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
INLINE vec v_sub(vec x, vec y) { return (vec){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
INLINE vec v_mul(vec x, vec y) { return (vec){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
INLINE vec v_div(vec x, vec y) { return (vec){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
INLINE vec v_fma(vec x, vec y, vec z)
{
    return (vec){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
INLINE vec v_fnma(vec x, vec y, vec z)
{
    return (vec){_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}
INLINE vec v_clamp(vec x, vec low, vec high)
{
    return (vec){_mm256_min_ps(high.a, _mm256_max_ps(low.a, x.a)), _mm256_min_ps(high.b, _mm256_max_ps(low.b, x.b))};
}
INLINE vec v_round(vec x)
{
    return (vec){_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
INLINE __m256 half_power_of_two(__m256 n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
INLINE vec v_power_of_two(vec n) { return (vec){half_power_of_two(n.a), half_power_of_two(n.b)}; }

#else /* the reference: one lane after another, in float or double */

typedef struct {
    real v[LANES];
} vec;
#define VEC_ACCUMULATORS 4

#ifdef REAL_IS_DOUBLE /* nothing is compared with the bits of this build, and a call of fma() costs ten products */
#define FMA(a, b, c) ((a) * (b) + (c))
#define RINT rint
#else
#define FMA fmaf
#define RINT rintf
#endif
#define EACH_LANE(expression)                                                                                \
    vec r;                                                                                                   \
    for (int i = 0; i < LANES; i++)                                                                          \
        r.v[i] = (expression);                                                                               \
    return r

INLINE vec v_load(const real *p) { EACH_LANE(p[i]); }
INLINE void v_store(real *p, vec x) { memcpy(p, x.v, sizeof x.v); }
INLINE vec v_splat(real x) { EACH_LANE(x); }
INLINE vec v_add(vec a, vec b) { EACH_LANE(a.v[i] + b.v[i]); }
INLINE vec v_sub(vec a, vec b) { EACH_LANE(a.v[i] - b.v[i]); }
INLINE vec v_mul(vec a, vec b) { EACH_LANE(a.v[i] * b.v[i]); }
INLINE vec v_div(vec a, vec b) { EACH_LANE(a.v[i] / b.v[i]); }
INLINE vec v_fma(vec a, vec b, vec c) { EACH_LANE(FMA(a.v[i], b.v[i], c.v[i])); }
INLINE vec v_fnma(vec a, vec b, vec c) { EACH_LANE(FMA(-a.v[i], b.v[i], c.v[i])); }
/* As the instructions do it: a NaN in x stays. */
INLINE real clamp_lane(real x, real low, real high)
{
    x = low > x ? low : x;
    return high < x ? high : x;
}
INLINE vec v_clamp(vec x, vec low, vec high) { EACH_LANE(clamp_lane(x.v[i], low.v[i], high.v[i])); }
INLINE vec v_round(vec x) { EACH_LANE(RINT(x.v[i])); }
INLINE vec v_power_of_two(vec n) { EACH_LANE(n.v[i] == n.v[i] ? (real)ldexp(1.0, (int)n.v[i]) : n.v[i]); }

#endif

INLINE vec v_zero(void)
{
    return v_splat(0);
}

/* exp(x), x clamped to +-87: 2^n * p(r) with x = n ln2 + r and the degree-6 polynomial of Cephes' expf (Moshier), 1 unit
 * in the last place. The double build, which the gradient checks use, asks libm. */
#ifdef REAL_IS_DOUBLE
INLINE vec v_exp(vec x) { EACH_LANE(exp(x.v[i])); }
#else
INLINE vec v_exp(vec x)
{
    x = v_clamp(x, v_splat(-87.0f), v_splat(87.0f));
    vec n = v_round(v_mul(x, v_splat(1.44269504f)));
    vec r = v_fnma(n, v_splat(-2.12194440e-4f), v_fnma(n, v_splat(0.693359375f), x));
    vec p = v_fma(r, v_splat(1.9875691500e-4f), v_splat(1.3981999507e-3f));
    p = v_fma(p, r, v_splat(8.3334519073e-3f));
    p = v_fma(p, r, v_splat(4.1665795894e-2f));
    p = v_fma(p, r, v_splat(1.6666665459e-1f));
    p = v_fma(p, r, v_splat(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_splat(1));
    return v_mul(p, v_power_of_two(n));
}
#endif

INLINE vec v_sigmoid(vec x)
{
    return v_div(v_splat(1), v_add(v_splat(1), v_exp(v_sub(v_zero(), x))));
}

#endif
