#include "export/element.h"

#include <float.h>
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are stored in little-endian order");

static float from_half(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double value = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent == 31 ? (mantissa ? (double)NAN : (double)INFINITY)
                                    : ldexp(1024 + mantissa, exponent - 25);
    return (float)(h & 0x8000 ? -value : value);
}

static float from_bfloat(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float element_read(enum element type, const char *p)
{
    uint16_t half;
    float single;
    double wide;
    switch (type) {
    case ELEMENT_F16:
        memcpy(&half, p, sizeof half);
        return from_half(half);
    case ELEMENT_BF16:
        memcpy(&half, p, sizeof half);
        return from_bfloat(half);
    case ELEMENT_F32:
        memcpy(&single, p, sizeof single);
        return single;
    case ELEMENT_F64:
        memcpy(&wide, p, sizeof wide);
        return fabs(wide) > (double)FLT_MAX ? (float)copysign(INFINITY, wide) : (float)wide;
    case ELEMENT_SKIPPED:
        break;
    }
    return NAN;
}

size_t first_not_finite(const float *values, size_t n)
{
    size_t i = 0;
    while (i < n && isfinite(values[i]))
        i++;
    return i;
}
