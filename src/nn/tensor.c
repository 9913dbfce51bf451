#include "nn/tensor.h"

#include <string.h>

size_t tensor_shape(struct tensor *t, int c, int h, int w, int lanes)
{
    *t = (struct tensor){.c = c, .h = h, .w = w, .lanes = lanes, .blocks = (c + lanes - 1) / lanes};
    t->row = (size_t)(w + 2 * TENSOR_BORDER) * (size_t)lanes;
    t->plane = (size_t)(h + 2 * TENSOR_BORDER) * t->row;
    return (size_t)t->blocks * t->plane;
}

void tensor_clear_border(const struct tensor *t, const struct view *m)
{
    size_t pixel = (size_t)t->lanes * TENSOR_BORDER;
    for (int b = 0; b < t->blocks; b++) {
        real *first = m->p + (size_t)b * m->plane - m->row - pixel;
        memset(first, 0, m->row * sizeof *first);
        memset(first + (size_t)(t->h + TENSOR_BORDER) * m->row, 0, m->row * sizeof *first);
        for (int y = 0; y < t->h; y++) { /* the end of this row and the start of the next lie side by side */
            real *row = first + (size_t)(y + TENSOR_BORDER) * m->row;
            memset(row, 0, pixel * sizeof *row);
            memset(row + m->row - pixel, 0, pixel * sizeof *row);
        }
    }
}

enum direction { OUT_OF_TENSOR, INTO_TENSOR };

static void copy(const struct tensor *t, const struct view *m, real *chw, enum direction direction)
{
    for (int c = 0; c < t->c; c++)
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++, chw++) {
                real *at = m->p + (size_t)(c / t->lanes) * m->plane + (size_t)y * m->row +
                           (size_t)(x * t->lanes + c % t->lanes);
                if (direction == INTO_TENSOR)
                    *at = *chw;
                else
                    *chw = *at;
            }
    int used = t->c % t->lanes;
    for (int i = used; direction == INTO_TENSOR && used && i < t->lanes; i++) /* the channels that pad the last block */
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++)
                m->p[(size_t)(t->blocks - 1) * m->plane + (size_t)y * m->row + (size_t)(x * t->lanes + i)] = 0;
}

void tensor_get(const struct tensor *t, int image, real *chw)
{
    struct view m = tensor_data(t, image);
    copy(t, &m, chw, OUT_OF_TENSOR);
}

void tensor_set(const struct tensor *t, int image, const real *chw)
{
    struct view m = tensor_data(t, image);
    copy(t, &m, (real *)chw, INTO_TENSOR);
}

void tensor_get_grad(const struct tensor *t, int image, real *chw)
{
    struct view m = tensor_grad(t, image);
    copy(t, &m, chw, OUT_OF_TENSOR);
}

void tensor_set_grad(const struct tensor *t, int image, const real *chw)
{
    struct view m = tensor_grad(t, image);
    copy(t, &m, (real *)chw, INTO_TENSOR);
}
