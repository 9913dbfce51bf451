#include "nn/tensor.h"

#include <string.h>

static size_t image_bytes(const struct tensor *t)
{
    return tensor_plane_size(t) * (size_t)t->c * sizeof(real);
}

void tensor_get(const struct tensor *t, int image, real *chw)
{
    memcpy(chw, tensor_image(t, image), image_bytes(t));
}

void tensor_set(const struct tensor *t, int image, const real *chw)
{
    memcpy(tensor_image(t, image), chw, image_bytes(t));
}

void tensor_get_grad(const struct tensor *t, int image, real *chw)
{
    memcpy(chw, tensor_grad_image(t, image), image_bytes(t));
}

void tensor_set_grad(const struct tensor *t, int image, const real *chw)
{
    memcpy(tensor_grad_image(t, image), chw, image_bytes(t));
}
