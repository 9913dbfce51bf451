#ifndef IMAGE_RESIZE_H
#define IMAGE_RESIZE_H

#include "image/image.h"

/* image_resize into a part of a larger picture: row y of the w x h result starts at dst + y * stride_bytes. */
void resize_into(const struct image *in, int w, int h, uint8_t *dst, size_t stride_bytes);

#endif
