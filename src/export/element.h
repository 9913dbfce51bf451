/* Elements of tensors as files store them, little-endian and at any address, widened or rounded to float. */
#ifndef EXPORT_ELEMENT_H
#define EXPORT_ELEMENT_H

#include <stddef.h>
#include <stdint.h>

enum element {
    ELEMENT_SKIPPED, /* integers and the like: no weights */
    ELEMENT_F16,
    ELEMENT_BF16,
    ELEMENT_F32,
    ELEMENT_F64,
};

/* p holds the element's size in bytes: 2, 2, 4, 8. A double that float cannot hold becomes infinite. */
float element_read(enum element type, const char *p);

/* Index of the first of n values that is not finite; n when all are. */
size_t first_not_finite(const float *values, size_t n);

#endif
