/* Direct convolution: each row of outputs of one channel block is a run of products (struct product) over the taps.
 *
 * The network's input are bytes: the few rows that a chunk or a strip reads become reals in scratch, where they look like
 * rows of a tensor. */
#include "conv.h"

#include <string.h>

#define CHUNK_BYTES (192 << 10) /* of inputs that one chunk reads again for every block of outputs: within a 512 KB L2 */
#define STRIP_PIXELS 192        /* outputs per strip of the weight gradient: its inputs stay in the first-level cache */

static int rows_of(size_t bytes_per_row, int rows)
{
    size_t n = CHUNK_BYTES / bytes_per_row;
    return n < 1 ? 1 : n > (size_t)rows ? rows : (int)n;
}

static void add_tap(struct conv_taps *t, ptrdiff_t offset)
{
    t->offsets[t->n++] = (int)offset;
}

static void plan_forward(struct conv *c, const struct tensor *in, struct arena *a)
{
    ptrdiff_t pad = c->k / 2, row = (ptrdiff_t)in->row, plane = (ptrdiff_t)in->plane;
    c->forward.offsets = ARENA_NEW(a, int, (size_t)conv_tap_blocks(c));
    if (c->in_lanes != LANES) {
        for (int ky = 0; ky < c->k; ky++) /* the taps of a row follow each other: one run */
            add_tap(&c->forward, (ky - pad) * row - pad * c->in_lanes);
        return;
    }
    for (int b = 0; b < c->in_blocks; b++)
        for (int ky = 0; ky < c->k; ky++)
            for (int kx = 0; kx < c->k; kx++)
                add_tap(&c->forward, b * plane + (ky - pad) * row + (kx - pad) * LANES);
}

/* Outputs that read input y = 2i + parity through tap ky lie at row i + (parity + pad - ky) / 2, where that is whole. */
static bool reaches(int parity, int pad, int tap, int stride, ptrdiff_t *shift)
{
    int distance = parity + pad - tap;
    *shift = distance / stride;
    return distance % stride == 0;
}

static void plan_backward(struct conv *c, const struct tensor *out, struct arena *a)
{
    int pad = c->k / 2, n_parities = c->stride * c->stride;
    size_t weights = 0;
    for (int p = 0; p < n_parities; p++) {
        struct conv_taps *t = &c->backward[p];
        t->offsets = ARENA_NEW(a, int, (size_t)(c->out_blocks * c->k * c->k));
        t->weights = weights;
        for (int b = 0; b < c->out_blocks; b++)
            for (int i = 0; i < c->k * c->k; i++) {
                int tap = c->stride == 1 ? c->k * c->k - 1 - i : i; /* the order of conv_pack_backward */
                ptrdiff_t dy, dx;
                if (reaches(p / 2, pad, tap / c->k, c->stride, &dy) && reaches(p % 2, pad, tap % c->k, c->stride, &dx))
                    add_tap(t, b * (ptrdiff_t)out->plane + dy * (ptrdiff_t)out->row + dx * LANES);
            }
        weights += (size_t)t->n * BLOCK;
    }
}

void direct_plan(struct conv *c, const struct tensor *in, const struct tensor *out, struct arena *a)
{
    c->chunk_rows = rows_of((size_t)in->blocks * in->row * (size_t)c->stride * sizeof(real), c->oh);
    c->n_chunks = (c->oh + c->chunk_rows - 1) / c->chunk_rows;
    c->grad_rows = rows_of((size_t)out->blocks * out->row * sizeof(real), c->oh);
    c->n_grad_chunks = (c->oh + c->grad_rows - 1) / c->grad_rows;
    plan_forward(c, in, a);
    if (c->in_lanes == LANES)
        plan_backward(c, out, a);
}

/* ---- the rows of bytes that some rows of outputs read -------------------------------------------------------------- */

static size_t input_row(const struct conv *c) /* elements */
{
    return (size_t)(c->iw + 2 * TENSOR_BORDER) * (size_t)c->in_lanes;
}

static int rows_read(const struct conv *c, int n_out)
{
    return (n_out - 1) * c->stride + c->k;
}

static int strip_rows(const struct conv *c)
{
    return STRIP_PIXELS / c->ow < 1 ? 1 : STRIP_PIXELS / c->ow;
}

size_t direct_scratch(const struct conv *c)
{
    int rows = c->chunk_rows > strip_rows(c) ? c->chunk_rows : strip_rows(c);
    return c->in_lanes == LANES ? 0 : (size_t)rows_read(c, rows) * input_row(c);
}

static void unpack_row(const struct conv *c, const uint8_t *px, const real of_byte[256], real *to)
{
    memset(to, 0, (size_t)c->in_lanes * sizeof *to);
    to += c->in_lanes;
    for (int x = 0; x < c->iw; x++, px += 3, to += c->in_lanes) {
        for (int channel = 0; channel < 3; channel++)
            to[channel] = of_byte[px[channel]];
        to[3] = 0;
    }
    memset(to, 0, (size_t)c->in_lanes * sizeof *to);
}

/* What n_out rows of outputs from first_out on read, borders included. Returns the place of column 0 in the row that
 * their middle taps begin with. */
static const real *unpack(const struct conv *c, const uint8_t *rgb, int first_out, int n_out, real *scratch)
{
    int pad = c->k / 2, first = first_out * c->stride - pad;
    real of_byte[256];
    for (int i = 0; i < 256; i++)
        of_byte[i] = (real)i / 255;
    for (int r = first; r < first + rows_read(c, n_out); r++) {
        real *to = scratch + (size_t)(r - first) * input_row(c);
        if (r < 0 || r >= c->ih)
            memset(to, 0, input_row(c) * sizeof *to);
        else
            unpack_row(c, rgb + (size_t)r * (size_t)c->iw * 3, of_byte, to);
    }
    return scratch + (size_t)pad * input_row(c) + TENSOR_BORDER * c->in_lanes;
}

/* ---- the three passes ---------------------------------------------------------------------------------------------- */

/* x: column 0 of the input row that the middle taps of output row `first` read. */
static void forward_rows(const struct kernels *k, const struct conv *c, const real *x, size_t x_row, const real *packed,
                         const struct view *y, int first, int end)
{
    struct product p = {.x_pixel = c->stride * c->in_lanes,
                        .offsets = c->forward.offsets,
                        .n_offsets = c->forward.n,
                        .run = conv_run(c),
                        .out_pixel = LANES};
    for (int b = 0; b < c->out_blocks; b++) {
        p.w = packed + (size_t)b * conv_direct_size(c);
        for (int r = first; r < end; r++) {
            p.x = x + (size_t)((r - first) * c->stride) * x_row;
            p.out = view_at(y, b, r, 0);
            k->product(&p, c->ow);
        }
    }
}

void direct_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                    const struct view *y, int chunk)
{
    int first = chunk * c->chunk_rows;
    forward_rows(k, c, x->p + (size_t)(first * c->stride) * x->row, x->row, packed, y, first, conv_chunk_end(c, chunk));
}

void conv_forward_rgb(const struct kernels *k, const struct conv *c, const uint8_t *rgb, const real *packed,
                      const struct view *y, int chunk, real *scratch)
{
    int first = chunk * c->chunk_rows, end = conv_chunk_end(c, chunk);
    forward_rows(k, c, unpack(c, rgb, first, end - first, scratch), input_row(c), packed, y, first, end);
}

void direct_input_grad(const struct kernels *k, const struct conv *c, const struct view *dy, const real *packed,
                       const struct view *dx, bool is_added, int chunk)
{
    int first = chunk * c->grad_rows, end = min_int(first + c->grad_rows, c->oh);
    struct product p = {
        .x_pixel = LANES, .run = LANES, .out_pixel = c->stride * LANES, .is_added = is_added};
    for (int b = 0; b < c->in_blocks; b++)
        for (int parity = 0; parity < c->stride * c->stride; parity++) {
            const struct conv_taps *t = &c->backward[parity];
            int py = parity / 2, px = parity % 2, n = (c->iw - px + c->stride - 1) / c->stride;
            p.offsets = t->offsets;
            p.n_offsets = t->n;
            p.w = packed + (size_t)b * (size_t)(c->out_blocks * c->k * c->k * BLOCK) + t->weights;
            for (int r = first; r < end && r * c->stride + py < c->ih; r++) {
                p.x = view_at(dy, 0, r, 0);
                p.out = view_at(dx, b, r * c->stride + py, px);
                k->product(&p, n);
            }
        }
}

/* Adds n output rows from `first` on; x as in forward_rows. */
static void strip_grad(const struct kernels *k, const struct conv *c, const real *x, size_t x_row, const struct view *dy,
                       int first, int n, real *partial)
{
    int run = conv_run(c);
    struct outer o = {.x_pixel = c->stride * c->in_lanes,
                      .x_row = c->stride * (ptrdiff_t)x_row,
                      .dy_row = (ptrdiff_t)dy->row,
                      .n_pixels = c->ow,
                      .n_rows = n,
                      .run = run};
    for (int b = 0; b < c->out_blocks; b++) {
        o.dy = view_at(dy, b, first, 0);
        o.dw = partial + (size_t)b * conv_direct_size(c);
        for (int t = 0; t < c->forward.n; t++, o.dw += run * LANES) {
            o.x = x + c->forward.offsets[t];
            k->outer(&o);
        }
    }
}

void direct_weight_grad(const struct kernels *k, const struct conv *c, const struct view *x, const struct view *dy,
                        real *partial)
{
    int rows = strip_rows(c);
    for (int first = 0; first < c->oh; first += rows)
        strip_grad(k, c, x->p + (size_t)(first * c->stride) * x->row, x->row, dy, first, min_int(rows, c->oh - first),
                   partial);
}

void conv_weight_grad_rgb(const struct kernels *k, const struct conv *c, const uint8_t *const *images,
                          const struct tensor *dy, int n, real *partial, real *scratch)
{
    int rows = strip_rows(c);
    memset(partial, 0, conv_partial(c) * sizeof *partial);
    for (int image = 0; image < n; image++) {
        struct view vdy = tensor_grad(dy, image);
        for (int first = 0; first < c->oh; first += rows) {
            int n_rows = min_int(rows, c->oh - first);
            strip_grad(k, c, unpack(c, images[image], first, n_rows, scratch), input_row(c), &vdy, first, n_rows, partial);
        }
    }
}
