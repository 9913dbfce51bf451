/* Planning, packing, and the choice between the two algorithms. */
#include "nn/conv.h"

#include <string.h>

#include "conv.h"

void conv_plan(struct conv *c, const struct tensor *in, const struct tensor *out, int k, int stride, bool is_direct,
               struct arena *a)
{
    *c = (struct conv){.ci = in->c,
                       .co = out->c,
                       .k = k,
                       .stride = stride,
                       .ih = in->h,
                       .iw = in->w,
                       .oh = out->h,
                       .ow = out->w,
                       .in_lanes = in->lanes,
                       .in_blocks = in->blocks,
                       .out_blocks = out->blocks};
    if ((k != 1 && k != 3) || (stride != 1 && stride != 2))
        BUG("convolution %dx%d with stride %d", k, k, stride);
    if (out->h != (in->h - 1) / stride + 1 || out->w != (in->w - 1) / stride + 1)
        BUG("convolution of %dx%d at stride %d gives no %dx%d", in->h, in->w, stride, out->h, out->w);
    c->is_winograd = !is_direct && k == 3 && stride == 1 && in->lanes == LANES;
    if (c->is_winograd)
        winograd_plan(c, a);
    else
        direct_plan(c, in, out, a);
}

size_t conv_packed(const struct conv *c)
{
    size_t outputs = (size_t)c->out_blocks, inputs = (size_t)c->in_blocks;
    return c->is_winograd ? WINOGRAD_POINTS * outputs * inputs * BLOCK : outputs * conv_direct_size(c);
}

size_t conv_partial(const struct conv *c)
{
    return (size_t)c->out_blocks * conv_direct_size(c);
}

size_t conv_scratch(const struct conv *c, bool is_training)
{
    size_t most = (size_t)(c->in_blocks > c->out_blocks ? c->in_blocks : c->out_blocks);
    if (!c->is_winograd)
        return direct_scratch(c);
    return winograd_scratch(c, is_training) + most * 9 * BLOCK; /* and the taps while packing */
}

/* One block [taps][run][16] from w[co][ci][k][k]; channels beyond the real ones are zero. */
static void gather_forward(const struct conv *c, const real *w, int out_block, real *packed)
{
    int area = c->k * c->k, n_out = min_int(LANES, c->co - out_block * LANES), run = conv_run(c);
    memset(packed, 0, conv_direct_size(c) * sizeof *packed);
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < c->ci; i++) {
            const real *from = w + ((size_t)(out_block * LANES + o) * (size_t)c->ci + (size_t)i) * (size_t)area;
            real *to = c->in_lanes == LANES ? packed + (i / LANES) * area * BLOCK + (i % LANES) * LANES + o
                                            : packed + i * LANES + o;
            for (int t = 0; t < area; t++)
                to[c->in_lanes == LANES ? t * BLOCK : (t / c->k * run + t % c->k * c->in_lanes) * LANES] = from[t];
        }
}

void conv_unpack_grad(const struct conv *c, const real *partial, int out_block, real *dw)
{
    int area = c->k * c->k, n_out = min_int(LANES, c->co - out_block * LANES), run = conv_run(c);
    const real *packed = partial + (size_t)out_block * conv_direct_size(c);
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < c->ci; i++) {
            real *to = dw + ((size_t)(out_block * LANES + o) * (size_t)c->ci + (size_t)i) * (size_t)area;
            const real *from = c->in_lanes == LANES ? packed + (i / LANES) * area * BLOCK + (i % LANES) * LANES + o
                                                    : packed + i * LANES + o;
            for (int t = 0; t < area; t++)
                to[t] += from[c->in_lanes == LANES ? t * BLOCK : (t / c->k * run + t % c->k * c->in_lanes) * LANES];
        }
}

void conv_pack_forward(const struct kernels *k, const struct conv *c, const real *w, int out_block, real *packed,
                       real *scratch)
{
    if (!c->is_winograd) {
        gather_forward(c, w, out_block, packed + (size_t)out_block * conv_direct_size(c));
        return;
    }
    gather_forward(c, w, out_block, scratch);
    winograd_pack(k, scratch, c->in_blocks, out_block, c->out_blocks, packed);
}

/* The transposed block: lanes are input channels now. Tap t of the product is tap order[t] of the weight. */
static void gather_backward(const struct conv *c, const real *w, int in_block, const int *order, int n, real *packed)
{
    int area = c->k * c->k, n_in = min_int(LANES, c->ci - in_block * LANES);
    memset(packed, 0, (size_t)(c->out_blocks * n * BLOCK) * sizeof *packed);
    for (int o = 0; o < c->co; o++)
        for (int i = 0; i < n_in; i++) {
            const real *from = w + ((size_t)o * (size_t)c->ci + (size_t)(in_block * LANES + i)) * (size_t)area;
            real *to = packed + (o / LANES) * n * BLOCK + (o % LANES) * LANES + i;
            for (int t = 0; t < n; t++)
                to[t * BLOCK] = from[order[t]];
        }
}

void conv_pack_backward(const struct kernels *k, const struct conv *c, const real *w, int in_block, real *packed,
                        real *scratch)
{
    static const int one[] = {0}, flipped[] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
    if (c->is_winograd) {
        gather_backward(c, w, in_block, flipped, 9, scratch);
        winograd_pack(k, scratch, c->out_blocks, in_block, c->in_blocks, packed);
        return;
    }
    /* By parity of row and column: the taps that direct_plan lists, in its order. */
    static const int even_even[] = {4}, even_odd[] = {3, 5}, odd_even[] = {1, 7}, odd_odd[] = {0, 2, 6, 8};
    static const int *const by_parity[] = {even_even, even_odd, odd_even, odd_odd};
    static const int n_by_parity[] = {1, 2, 2, 4};
    real *to = packed + (size_t)in_block * (size_t)(c->out_blocks * c->k * c->k * BLOCK);
    if (c->k == 1)
        gather_backward(c, w, in_block, one, 1, to);
    else if (c->stride == 1)
        gather_backward(c, w, in_block, flipped, 9, to);
    else
        for (int p = 0; p < 4; p++)
            gather_backward(c, w, in_block, by_parity[p], n_by_parity[p], to + c->backward[p].weights);
}

void conv_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                  const struct view *y, int chunk, real *scratch)
{
    if (c->is_winograd)
        winograd_forward(k, c, x, packed, y, chunk, scratch);
    else
        direct_forward(k, c, x, packed, y, chunk);
}

void conv_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                     const struct view *dx, bool is_added, int chunk, real *scratch)
{
    if (c->is_winograd)
        winograd_input_grad(k, c, dy, packed, dx, is_added, chunk, scratch);
    else
        direct_input_grad(k, c, dy, packed, dx, is_added, chunk);
}

void conv_weight_grad(const struct kernels *k, const struct conv *c, const struct tensor *x, const struct tensor *dy, int n,
                      real *partial, real *scratch)
{
    if (c->is_winograd) {
        winograd_weight_grad(k, c, x, dy, n, partial, scratch);
        return;
    }
    memset(partial, 0, conv_partial(c) * sizeof *partial);
    for (int image = 0; image < n; image++) {
        struct view vx = tensor_data(x, image), vdy = tensor_grad(dy, image);
        direct_weight_grad(k, c, &vx, &vdy, partial);
    }
}
