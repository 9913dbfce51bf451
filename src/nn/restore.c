/* What backward reads of values that forward let go. A block's value is one pass over its pre-activation, which is kept
 * anyway, so it is computed again for the few images whose weight gradient is being taken, into a worker's own memory
 * (Chen et al., "Training Deep Nets with Sublinear Memory
 * Cost", 2016, with the cheapest of all segments). */
#include "memory.h"
#include "ops.h"

/* A run of channels of one buffer, restored: block 0 is channel `first`. */
struct region {
    int buffer, first, end; /* channels */
    struct tensor shape;    /* of the run; no memory */
    size_t n;               /* elements of one image */
};

static int channel_of(const struct net *net, int t)
{
    return net->tensor_channel[t];
}

static bool writes(const struct net *net, const struct op *op, const struct region *r)
{
    int c = channel_of(net, op->out);
    return net->tensor_buffer[op->out] == r->buffer && c < r->end && r->first < c + net->tensors[op->out].c;
}

/* The channels of tensor t, and those below that their residuals need. */
static struct region region_of(const struct net *net, int t, int before)
{
    struct region r = {.buffer = net->tensor_buffer[t], .first = channel_of(net, t)};
    r.end = r.first + net->tensors[t].c;
    for (int i = before - 1; i >= 0; i--) {
        const struct op *op = &net->ops[i];
        if (op->residual >= 0 && writes(net, op, &r) && channel_of(net, op->residual) < r.first)
            r.first = channel_of(net, op->residual);
    }
    const struct net_buffer *b = &net->buffers[r.buffer];
    r.n = tensor_shape(&r.shape, r.end - r.first, b->h, b->w, LANES);
    return r;
}

static struct tensor tensor_in(const struct region *r, real *memory)
{
    struct tensor t = r->shape;
    t.image_stride = r->n;
    t.data = memory + TENSOR_BORDER * (t.row + (size_t)LANES);
    return t;
}

static bool is_restored(const struct net *net, int t)
{
    return net->buffers[net->tensor_buffer[t]].is_restored;
}

void restore_mark(struct net *net)
{
    for (int b = 0; b < net->n_buffers; b++)
        net->buffers[b].is_restored = !net->buffers[b].is_source && !net->buffers[b].is_output && !net->buffers[b].is_z;
    for (int i = 0; i < net->n_ops; i++) {
        const struct op *op = &net->ops[i];
        int b = net->tensor_buffer[op->out];
        bool is_outside = op->residual >= 0 && (net->tensor_buffer[op->residual] != b ||
                                                channel_of(net, op->residual) > channel_of(net, op->out));
        if ((op->kind != OP_CONV_BN_SILU && op->kind != OP_UPSAMPLE) || is_outside)
            net->buffers[b].is_restored = false;
    }
}

static size_t elements_of_image(const struct net *net, int t, int before)
{
    if (!is_restored(net, t))
        return 0;
    struct region r = region_of(net, t, before);
    size_t most = 0;
    for (int i = 0; i < before; i++)
        if (net->ops[i].kind == OP_UPSAMPLE && writes(net, &net->ops[i], &r)) {
            size_t n = elements_of_image(net, net->ops[i].in, i);
            most = n > most ? n : most;
        }
    return r.n + most;
}

size_t restore_elements(const struct net *net, int i)
{
    int t = net->ops[i].in, images = (net->batch + NET_GRAD_GROUPS - 1) / NET_GRAD_GROUPS;
    if (!is_restored(net, t))
        return 0;
    struct region r = region_of(net, t, i);
    return (size_t)(images - 1) * r.n + elements_of_image(net, t, i);
}

void restore_sources(const struct net *net, int t, int before, void (*keep)(void *ctx, int tensor), void *ctx)
{
    if (!is_restored(net, t)) {
        keep(ctx, t);
        return;
    }
    struct region r = region_of(net, t, before);
    for (int i = 0; i < before; i++) {
        const struct op *op = &net->ops[i];
        if (!writes(net, op, &r))
            continue;
        if (op->kind == OP_UPSAMPLE)
            restore_sources(net, op->in, i, keep, ctx);
        else
            keep(ctx, op->z);
    }
}

static void restore_image(const struct net *net, int before, const struct region *r, int image, real *memory);

/* memory: for the source, if that has to be restored as well. */
static void restore_upsampled(const struct net *net, int i, const struct view *to, int first, int end, int image,
                              real *memory)
{
    const struct op *op = &net->ops[i];
    const struct tensor *in = &net->tensors[op->in];
    struct view from = tensor_data(in, image);
    int skipped = 0;
    if (is_restored(net, op->in)) {
        struct region r = region_of(net, op->in, i);
        struct tensor t = tensor_in(&r, memory);
        restore_image(net, i, &r, image, memory);
        from = tensor_data(&t, 0);
        skipped = (channel_of(net, op->in) - r.first) / LANES;
    }
    for (int b = first; b < end; b++)
        upsample_block(net->kernels, in, &from, skipped + b, to, b - first);
}

/* Producers run in their order, so that a residual is there before it is added. */
static void restore_image(const struct net *net, int before, const struct region *r, int image, real *memory)
{
    struct tensor whole = tensor_in(r, memory);
    struct view base = tensor_data(&whole, 0);
    for (int i = 0; i < before; i++) {
        const struct op *op = &net->ops[i];
        if (!writes(net, op, r))
            continue;
        int c = channel_of(net, op->out), c_end = c + net->tensors[op->out].c;
        int low = c < r->first ? r->first : c, high = c_end < r->end ? c_end : r->end;
        int first = (low - c) / LANES, end = (high - c + LANES - 1) / LANES;
        struct view to = {view_at(&base, (low - r->first) / LANES, 0, 0), base.row, base.plane};
        if (op->kind == OP_UPSAMPLE) {
            restore_upsampled(net, i, &to, first, end, image, memory + r->n);
            continue;
        }
        struct view residual = {0};
        if (op->residual >= 0) {
            int from = channel_of(net, op->residual) + low - c - r->first;
            residual = (struct view){view_at(&base, from / LANES, 0, 0), base.row, base.plane};
        }
        block_activate(net, op, image, first, end, &residual, &to);
    }
}

struct tensor restore_images(const struct net *net, int i, int first, int end, real *memory)
{
    const struct op *op = &net->ops[i];
    struct tensor in = net->tensors[op->in];
    if (!is_restored(net, op->in)) {
        in.data += (size_t)first * in.image_stride;
        return in;
    }
    struct region r = region_of(net, op->in, i);
    struct tensor all = tensor_in(&r, memory);
    for (int image = first; image < end; image++)
        restore_image(net, i, &r, image, memory + (size_t)(image - first) * r.n);
    in.image_stride = r.n;
    in.data = all.data + (size_t)((channel_of(net, op->in) - r.first) / LANES) * all.plane;
    for (int image = 0; op->conv.k > 1 && image < end - first; image++) {
        struct view m = tensor_data(&in, image);
        tensor_clear_border(&in, &m);
    }
    return in;
}
