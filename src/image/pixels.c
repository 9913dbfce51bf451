#include "core/arena.h"
#include "image/image.h"

void image_init(struct image *im, int w, int h)
{
    if (w < 1 || h < 1 || w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE)
        BUG("image of %dx%d", w, h);
    *im = (struct image){w, h, mem_alloc((size_t)w * h * 3)};
}

void image_free(struct image *im)
{
    mem_free(im->px);
    *im = (struct image){0};
}
