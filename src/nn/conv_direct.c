/* Direct convolution: each row of outputs of one channel block is a run of products (struct product) over the taps. */
#include "conv.h"

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

void direct_forward(const struct kernels *k, const struct conv *c, const struct view *x, const real *packed,
                    const struct view *y, int chunk)
{
    int first = chunk * c->chunk_rows, end = conv_chunk_end(c, chunk);
    struct product p = {.x_pixel = c->stride * c->in_lanes,
                        .offsets = c->forward.offsets,
                        .n_offsets = c->forward.n,
                        .run = conv_run(c),
                        .out_pixel = LANES};
    for (int b = 0; b < c->out_blocks; b++) {
        p.w = packed + (size_t)b * conv_direct_size(c);
        for (int r = first; r < end; r++) {
            p.x = x->p + (size_t)(r * c->stride) * x->row;
            p.out = view_at(y, b, r, 0);
            k->product(&p, c->ow);
        }
    }
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

void direct_weight_grad(const struct kernels *k, const struct conv *c, const struct view *x, const struct view *dy,
                        real *partial)
{
    int run = conv_run(c), rows = STRIP_PIXELS / c->ow < 1 ? 1 : STRIP_PIXELS / c->ow;
    struct outer o = {.x_pixel = c->stride * c->in_lanes,
                      .x_row = c->stride * (ptrdiff_t)x->row,
                      .dy_row = (ptrdiff_t)dy->row,
                      .n_pixels = c->ow,
                      .run = run};
    for (int first = 0; first < c->oh; first += rows) {
        o.n_rows = min_int(rows, c->oh - first);
        for (int b = 0; b < c->out_blocks; b++) {
            o.dy = view_at(dy, b, first, 0);
            o.dw = partial + (size_t)b * conv_direct_size(c);
            for (int t = 0; t < c->forward.n; t++, o.dw += run * LANES) {
                o.x = x->p + (size_t)(first * c->stride) * x->row + c->forward.offsets[t];
                k->outer(&o);
            }
        }
    }
}
