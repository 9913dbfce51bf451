#include "nn/conv.h"

#include <string.h>

/* A tile's unfolded input (384 KB) should stay in the second-level cache next to the weights it meets. The choice is not
 * critical: docs/performance.md. */
#define TILE_ELEMENTS (96 << 10)

static size_t taps(const struct conv_shape *s)
{
    return (size_t)s->ci * (size_t)s->k * (size_t)s->k;
}

static bool is_plain_product(const struct conv_shape *s)
{
    return s->k == 1 && s->stride == 1;
}

struct conv_shape conv_plan(int ci, int co, int k, int stride, int ih, int iw)
{
    struct conv_shape s = {.ci = ci, .co = co, .k = k, .stride = stride, .ih = ih, .iw = iw};
    s.oh = (ih + 2 * (k / 2) - k) / stride + 1;
    s.ow = (iw + 2 * (k / 2) - k) / stride + 1;
    size_t rows = TILE_ELEMENTS / (taps(&s) * (size_t)s.ow);
    s.tile_rows = rows < 1 ? 1 : rows > (size_t)s.oh ? s.oh : (int)rows;
    if (s.tile_rows * s.ow < 64) { /* tiny maps: a product too narrow would waste the matrix kernel */
        int need = (64 + s.ow - 1) / s.ow;
        s.tile_rows = need > s.oh ? s.oh : need;
    }
    return s;
}

static size_t tile_elements(const struct conv_shape *s)
{
    return is_plain_product(s) ? 0 : taps(s) * (size_t)s->tile_rows * (size_t)s->ow;
}

size_t conv_scratch_forward(const struct conv_shape *s)
{
    return tile_elements(s);
}

size_t conv_scratch_backward(const struct conv_shape *s)
{
    return tile_elements(s); /* columns and their gradient are never needed at once */
}

void conv_forward(const struct kernels *kern, const struct conv_shape *s, const real *x, const real *w, real *y,
                  real *scratch)
{
    int k = (int)taps(s), plane = s->oh * s->ow;
    if (is_plain_product(s)) {
        kern->gemm(false, false, s->co, plane, k, w, k, x, plane, 0, y, plane);
        return;
    }
    for (int row = 0; row < s->oh; row += s->tile_rows) {
        int rows = s->oh - row < s->tile_rows ? s->oh - row : s->tile_rows;
        kern->im2col(s, x, row, rows, scratch);
        kern->gemm(false, false, s->co, rows * s->ow, k, w, k, scratch, rows * s->ow, 0, y + (size_t)row * s->ow,
                   plane);
    }
}

void conv_backward(const struct kernels *kern, const struct conv_shape *s, const real *x, const real *w, const real *dy,
                   real *dw, bool accumulate_dw, real *dx, bool accumulate_dx, real *scratch)
{
    int k = (int)taps(s), plane = s->oh * s->ow;
    if (is_plain_product(s)) {
        kern->gemm(false, true, s->co, k, plane, dy, plane, x, plane, accumulate_dw, dw, k);
        if (dx)
            kern->gemm(true, false, k, plane, s->co, w, k, dy, plane, accumulate_dx, dx, plane);
        return;
    }
    if (dx && !accumulate_dx)
        memset(dx, 0, (size_t)s->ci * (size_t)s->ih * (size_t)s->iw * sizeof *dx);
    for (int row = 0; row < s->oh; row += s->tile_rows) {
        int rows = s->oh - row < s->tile_rows ? s->oh - row : s->tile_rows, n = rows * s->ow;
        const real *dy_tile = dy + (size_t)row * s->ow;
        kern->im2col(s, x, row, rows, scratch);
        kern->gemm(false, true, s->co, k, n, dy_tile, plane, scratch, n, accumulate_dw || row > 0, dw, k);
        if (dx) {
            kern->gemm(true, false, k, n, s->co, w, k, dy_tile, plane, 0, scratch, n);
            kern->col2im(s, scratch, row, rows, dx);
        }
    }
}
