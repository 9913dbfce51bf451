/* Numbers for the sample renderer. Nothing here calls libm's sin, exp or pow: their last bit differs between C
 * libraries and CPUs, and the rendered files must not. Only + - * / and square root, which IEEE 754 defines exactly. */
#ifndef SAMPLE_VEC_H
#define SAMPLE_VEC_H

#include <math.h>
#include <stdint.h>

#define SAMPLE_PI 3.14159265358979f

struct v3 {
    float x, y, z;
};

static inline struct v3 v3(float x, float y, float z)
{
    return (struct v3){x, y, z};
}

static inline struct v3 v_add(struct v3 a, struct v3 b)
{
    return v3(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline struct v3 v_sub(struct v3 a, struct v3 b)
{
    return v3(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline struct v3 v_mul(struct v3 a, struct v3 b)
{
    return v3(a.x * b.x, a.y * b.y, a.z * b.z);
}

static inline struct v3 v_scale(struct v3 a, float s)
{
    return v3(a.x * s, a.y * s, a.z * s);
}

static inline struct v3 v_along(struct v3 a, struct v3 d, float t)
{
    return v3(a.x + d.x * t, a.y + d.y * t, a.z + d.z * t);
}

static inline struct v3 v_mix(struct v3 a, struct v3 b, float t)
{
    return v_along(a, v_sub(b, a), t);
}

static inline float v_dot(struct v3 a, struct v3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct v3 v_cross(struct v3 a, struct v3 b)
{
    return v3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline struct v3 v_unit(struct v3 a)
{
    return v_scale(a, 1.0f / sqrtf(v_dot(a, a) + 1e-20f));
}

static inline float f_min(float a, float b)
{
    return a < b ? a : b;
}

static inline float f_max(float a, float b)
{
    return a > b ? a : b;
}

static inline float f_clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static inline float f_step(float low, float high, float x) /* smoothstep */
{
    float t = f_clamp((x - low) / (high - low), 0.0f, 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

static inline float f_mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

static inline float f_fract(float x)
{
    return x - floorf(x);
}

static inline float f_len2(float x, float y)
{
    return sqrtf(x * x + y * y);
}

/* Triangle wave of period 1 between -1 and 1. */
static inline float f_triangle(float x)
{
    return 4.0f * fabsf(f_fract(x) - 0.5f) - 1.0f;
}

/* Taylor series on a quarter turn; error below 4e-6. */
static inline float f_sin(float x)
{
    float t = x / (2.0f * SAMPLE_PI);
    t -= floorf(t + 0.5f); /* turns, -0.5..0.5 */
    if (t > 0.25f)
        t = 0.5f - t;
    else if (t < -0.25f)
        t = -0.5f - t;
    float a = t * 2.0f * SAMPLE_PI, q = a * a;
    return a * (1.0f - q / 6.0f * (1.0f - q / 20.0f * (1.0f - q / 42.0f * (1.0f - q / 72.0f))));
}

static inline float f_cos(float x)
{
    return f_sin(x + 0.5f * SAMPLE_PI);
}

/* Angle of (x, y); Abramowitz and Stegun 4.4.47, error below 1e-4. */
static inline float f_atan2(float y, float x)
{
    float ax = fabsf(x), ay = fabsf(y), big = f_max(ax, ay) + 1e-20f, r = f_min(ax, ay) / big, q = r * r;
    float a = r * (0.9998660f + q * (-0.3302995f + q * (0.1801410f + q * (-0.0851330f + q * 0.0208351f))));
    if (ay > ax)
        a = 0.5f * SAMPLE_PI - a;
    if (x < 0.0f)
        a = SAMPLE_PI - a;
    return y < 0.0f ? -a : a;
}

/* x^(2^n) */
static inline float f_power2(float x, int n)
{
    for (; n > 0; n--)
        x *= x;
    return x;
}

/* ---- random numbers and noise ---- */

static inline uint32_t mix32(uint32_t x) /* "lowbias32", C. Wellons 2018 */
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

struct dice {
    uint32_t key, n;
};

/* Dice whose throws have nothing in common with those of another (seed, index). */
static inline struct dice dice_of(uint32_t seed, uint32_t index)
{
    return (struct dice){mix32(mix32(seed) + 0x9e3779b9u * index), 0};
}

static inline uint32_t dice_u32(struct dice *d)
{
    return mix32(mix32(++d->n * 0x9e3779b9u) + d->key);
}

static inline float dice_unit(struct dice *d)
{
    return (float)(dice_u32(d) >> 8) / 16777216.0f;
}

static inline float dice_range(struct dice *d, float low, float high)
{
    return low + (high - low) * dice_unit(d);
}

/* A colour cast: factors around 1, up to `red`, `green` and `blue` away. Two throws never stand in one expression
 * without a sequence point, since C leaves their order to the compiler. */
static inline struct v3 dice_tint(struct dice *d, float red, float green, float blue)
{
    float b = dice_range(d, 1.0f - blue, 1.0f + blue);
    float g = dice_range(d, 1.0f - green, 1.0f + green);
    return v3(dice_range(d, 1.0f - red, 1.0f + red), g, b);
}

static inline int dice_below(struct dice *d, int n)
{
    return (int)(((uint64_t)dice_u32(d) * (uint64_t)n) >> 32);
}

/* Value noise on the integer lattice, -1..1, smooth. */
float noise2(float x, float y, uint32_t seed);
/* Sum of `octaves` noises, each half as high and twice as fine; about -1..1. */
float noise_sum(float x, float y, int octaves, uint32_t seed);

#endif
