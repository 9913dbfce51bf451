/* 3x3 convolution at stride 1 by Winograd's F(4x4, 3x3). A chunk is some rows of tiles: their inputs are transformed to
 * 36 points, at each point one small matrix product per block of outputs follows (struct product, whose "pixels" are
 * tiles), and the sums are transformed back.
 *
 * Scratch of one worker: [transformed inputs][products of one block of outputs], or for the weight gradient [sums][transformed
 * inputs][transformed gradients of outputs], each 36 times its tiles. */
#include <string.h>

#include "conv.h"

#define CHUNK_BYTES (384 << 10) /* of transformed inputs, which every block of outputs reads again: within a 512 KB L2 */
#define WEIGHT_BYTES (768 << 10) /* of transformed maps that one round of the weight gradient gathers */

static int tiles_across(int n)
{
    return (n + WINOGRAD_TILE - 1) / WINOGRAD_TILE;
}

static int tile_rows(int blocks, int across, int down)
{
    size_t row = WINOGRAD_POINTS * (size_t)(blocks * across * LANES) * sizeof(real), n = CHUNK_BYTES / row;
    return n < 1 ? 1 : n > (size_t)down ? down : (int)n;
}

static void plan_product(struct conv_taps *t, int blocks, int tiles, struct arena *a)
{
    t->offsets = ARENA_NEW(a, int, (size_t)blocks);
    for (t->n = 0; t->n < blocks; t->n++)
        t->offsets[t->n] = t->n * tiles * LANES;
}

void winograd_plan(struct conv *c, struct arena *a)
{
    int across = tiles_across(c->ow), down = tiles_across(c->oh);
    int rows = tile_rows(c->in_blocks, across, down), grad_rows = tile_rows(c->out_blocks, across, down);
    c->chunk_rows = rows * WINOGRAD_TILE;
    c->n_chunks = (down + rows - 1) / rows;
    c->grad_rows = grad_rows * WINOGRAD_TILE;
    c->n_grad_chunks = (down + grad_rows - 1) / grad_rows;
    plan_product(&c->forward, c->in_blocks, rows * across, a);
    plan_product(&c->backward[0], c->out_blocks, grad_rows * across, a);
}

/* Tiles in a chunk of so many rows of outputs. */
static int chunk_tiles(const struct conv *c, int rows)
{
    return tiles_across(rows) * tiles_across(c->ow);
}

/* Elements from one point to the next: an odd number of cache lines, since the 36 points of a tile are written together
 * and would otherwise fall into the same few sets of the cache (the transform takes twice as long then). */
static size_t point_stride(int blocks, int tiles)
{
    return (size_t)((blocks * tiles) | 1) * LANES;
}

/* Tiles gathered for one round of the weight gradient: whole rows of them. */
static int weight_tiles(const struct conv *c)
{
    int across = tiles_across(c->ow);
    size_t tile = (size_t)(WINOGRAD_POINTS * (c->in_blocks + c->out_blocks) * LANES) * sizeof(real);
    int n = (int)(WEIGHT_BYTES / tile);
    return n < across ? across : n / across * across;
}

static size_t sums_size(const struct conv *c)
{
    return (size_t)WINOGRAD_POINTS * (size_t)c->in_blocks * (size_t)c->out_blocks * BLOCK;
}

size_t winograd_scratch(const struct conv *c, bool is_training)
{
    int tiles = chunk_tiles(c, c->chunk_rows), grad_tiles = chunk_tiles(c, c->grad_rows);
    size_t forward = point_stride(c->in_blocks, tiles) + point_stride(1, tiles);
    size_t backward = point_stride(c->out_blocks, grad_tiles) + point_stride(1, grad_tiles);
    int gathered = weight_tiles(c);
    size_t weights = sums_size(c) / WINOGRAD_POINTS + point_stride(c->in_blocks, gathered) +
                     point_stride(c->out_blocks, gathered);
    size_t most = forward;
    if (is_training && backward > most)
        most = backward;
    if (is_training && weights > most)
        most = weights;
    return WINOGRAD_POINTS * most;
}

void winograd_pack(const struct kernels *k, const real *taps, int in_blocks, int out_block, int n_out, real *packed)
{
    size_t stride = (size_t)n_out * (size_t)in_blocks * BLOCK;
    for (int b = 0; b < in_blocks; b++)
        k->winograd_weight(taps + (size_t)b * 9 * BLOCK, LANES, packed + (size_t)(out_block * in_blocks + b) * BLOCK,
                           stride);
}

/* The tile at (r, x), whose top left corner is `reach` pixels before its outputs. */
static struct tile tile_at(const struct view *m, int block, int r, int x, int side, int reach, int h, int w)
{
    /* The border of one pixel is readable, so a patch may reach to row h and column w. */
    return (struct tile){.p = view_at(m, block, r, x) - (ptrdiff_t)(reach * (int)m->row) - reach * LANES,
                         .row = (ptrdiff_t)m->row,
                         .rows = min_int(side, h + 2 * reach - r),
                         .cols = min_int(side, w + 2 * reach - x)};
}

/* Transforms all tiles of rows [first, end) to points [36][blocks][tiles][16]; patches of 6x6, or 4x4 of a gradient. */
static void transform(const struct kernels *k, const struct view *m, int blocks, int first, int end, int h, int w,
                      int tiles, bool is_output_grad, real *points)
{
    size_t stride = point_stride(blocks, tiles);
    for (int b = 0; b < blocks; b++) {
        real *to = points + (size_t)(b * tiles * LANES);
        for (int r = first; r < end; r += WINOGRAD_TILE)
            for (int x = 0; x < w; x += WINOGRAD_TILE, to += LANES) {
                struct tile t = tile_at(m, b, r, x, is_output_grad ? WINOGRAD_TILE : WINOGRAD_INPUT, !is_output_grad,
                                        h, w);
                if (is_output_grad)
                    k->winograd_output_grad(&t, to, stride);
                else
                    k->winograd_input(&t, to, stride);
            }
    }
}

/* y (+)= the convolution of x by packed weights, rows [first, end). */
static void convolve(const struct kernels *k, const struct conv *c, const struct conv_taps *taps, int out_blocks,
                     const struct view *x, const real *packed, const struct view *y, bool is_added, int first, int end,
                     int tiles, real *scratch)
{
    int in_blocks = taps->n, n = chunk_tiles(c, end - first);
    size_t in_stride = point_stride(in_blocks, tiles), out_stride = point_stride(1, tiles);
    real *in = scratch, *out = scratch + WINOGRAD_POINTS * in_stride;
    transform(k, x, in_blocks, first, end, c->oh, c->ow, tiles, false, in);
    struct product p = {
        .x_pixel = LANES, .offsets = taps->offsets, .n_offsets = taps->n, .run = LANES, .out_pixel = LANES};
    for (int b = 0; b < out_blocks; b++) {
        for (int f = 0; f < WINOGRAD_POINTS; f++) {
            p.x = in + (size_t)f * in_stride;
            p.w = packed + (size_t)((f * out_blocks + b) * in_blocks) * BLOCK;
            p.out = out + (size_t)f * out_stride;
            k->product(&p, n);
        }
        real *from = out;
        for (int r = first; r < end; r += WINOGRAD_TILE)
            for (int col = 0; col < c->ow; col += WINOGRAD_TILE, from += LANES) {
                struct tile t = tile_at(y, b, r, col, WINOGRAD_TILE, 0, c->oh, c->ow);
                k->winograd_output(from, out_stride, &t, is_added);
            }
    }
}

void winograd_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                      const struct view *y, int chunk, real *scratch)
{
    int first = chunk * c->chunk_rows, end = conv_chunk_end(c, chunk);
    convolve(k, c, &c->forward, c->out_blocks, x, packed, y, false, first, end, chunk_tiles(c, c->chunk_rows), scratch);
}

void winograd_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                         const struct view *dx, bool is_added, int chunk, real *scratch)
{
    int first = chunk * c->grad_rows, end = min_int(first + c->grad_rows, c->oh);
    convolve(k, c, &c->backward[0], c->in_blocks, dy, packed, dx, is_added, first, end, chunk_tiles(c, c->grad_rows),
             scratch);
}

/* The point sums of the tiles gathered so far: one product of the form [16 in][16 out] per point and pair of blocks. */
static void add_products(const struct kernels *k, const struct conv *c, const real *in, const real *out, int capacity,
                         int n, real *sums)
{
    size_t in_stride = point_stride(c->in_blocks, capacity), out_stride = point_stride(c->out_blocks, capacity);
    struct outer o = {.x_pixel = LANES, .n_pixels = n, .n_rows = 1, .run = LANES, .dw = sums};
    for (int f = 0; f < WINOGRAD_POINTS; f++)
        for (int b = 0; b < c->out_blocks; b++) {
            o.dy = out + (size_t)f * out_stride + (size_t)(b * capacity * LANES);
            for (int i = 0; i < c->in_blocks; i++, o.dw += BLOCK) {
                o.x = in + (size_t)f * in_stride + (size_t)(i * capacity * LANES);
                k->outer(&o);
            }
        }
}

/* Rows of tiles are gathered over the images until the buffers are full, so that the sums, which are larger than the cache,
 * are walked through as seldom as possible. The order of the additions is that of the tiles all the same. */
void winograd_weight_grad(const struct kernels *k, const struct conv *c, const struct tensor *x, const struct tensor *dy,
                          int n_images, real *partial, real *scratch)
{
    int capacity = weight_tiles(c), across = tiles_across(c->ow), n = 0;
    real *sums = scratch, *in = sums + sums_size(c), *out = in + WINOGRAD_POINTS * point_stride(c->in_blocks, capacity);
    memset(sums, 0, sums_size(c) * sizeof *sums);
    for (int image = 0; image < n_images; image++) {
        struct view vx = tensor_data(x, image), vdy = tensor_grad(dy, image);
        for (int row = 0; row < c->oh; row += WINOGRAD_TILE, n += across) {
            if (n + across > capacity) {
                add_products(k, c, in, out, capacity, n, sums);
                n = 0;
            }
            int end = min_int(row + WINOGRAD_TILE, c->oh);
            transform(k, &vx, c->in_blocks, row, end, c->oh, c->ow, capacity, false, in + n * LANES);
            transform(k, &vdy, c->out_blocks, row, end, c->oh, c->ow, capacity, true, out + n * LANES);
        }
    }
    add_products(k, c, in, out, capacity, n, sums);
    size_t blocks = (size_t)(c->out_blocks * c->in_blocks);
    memset(partial, 0, blocks * 9 * BLOCK * sizeof *partial);
    for (size_t b = 0; b < blocks; b++)
        k->winograd_weight_grad(sums + b * BLOCK, blocks * BLOCK, LANES, partial + b * 9 * BLOCK);
}
