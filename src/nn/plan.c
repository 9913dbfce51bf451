/* Building the operation list, and the plan of a walk over it. */
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "nn/net.h"

static int add_buffer(struct net *net, int c, int h, int w, int lanes)
{
    MEM_GROW(net->buffers, net->n_buffers, net->cap_buffers);
    net->buffers[net->n_buffers] = (struct net_buffer){.c = c, .h = h, .w = w, .lanes = lanes};
    return net->n_buffers++;
}

int net_buffer(struct net *net, int c, int h, int w)
{
    return add_buffer(net, c, h, w, LANES);
}

int net_input(struct net *net, int c, int h, int w)
{
    int b = add_buffer(net, c, h, w, c <= TENSOR_INPUT_LANES ? TENSOR_INPUT_LANES : LANES);
    net->buffers[b].is_input = true;
    return net_view(net, b, 0, c);
}

int net_input_rgb(struct net *net, int h, int w)
{
    int t = net_input(net, 3, h, w);
    net->buffers[net->tensor_buffer[t]].is_rgb = true;
    return t;
}

int net_view(struct net *net, int buffer, int channel, int c)
{
    const struct net_buffer *b = &net->buffers[buffer];
    if (channel < 0 || c < 1 || channel + c > b->c || channel % b->lanes != 0)
        BUG("view of channels %d+%d in a buffer of %d", channel, c, b->c);
    if (net->n_tensors == net->cap_tensors) {
        net->cap_tensors = net->cap_tensors ? 2 * net->cap_tensors : 64;
        size_t n = (size_t)net->cap_tensors;
        net->tensors = mem_resize(net->tensors, mem_mul(n, sizeof *net->tensors));
        net->tensor_buffer = mem_resize(net->tensor_buffer, mem_mul(n, sizeof(int)));
        net->tensor_channel = mem_resize(net->tensor_channel, mem_mul(n, sizeof(int)));
    }
    int t = net->n_tensors++;
    tensor_shape(&net->tensors[t], c, b->h, b->w, b->lanes);
    net->tensor_buffer[t] = buffer;
    net->tensor_channel[t] = channel;
    return t;
}

static struct op *add_op(struct net *net, enum op_kind kind, int in, int out)
{
    if (net->buffers[net->tensor_buffer[in]].is_rgb && kind != OP_CONV_BN_SILU && kind != OP_CONV_BIAS)
        BUG("bytes are read by convolutions alone");
    MEM_GROW(net->ops, net->n_ops, net->cap_ops);
    struct op *op = &net->ops[net->n_ops++];
    *op = (struct op){.kind = kind, .in = in, .out = out, .residual = -1, .z = -1};
    return op;
}

static const struct param *need(const struct net *net, const char *name, const char *suffix)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    const struct param *p = param_find(net->params, full);
    if (!p)
        BUG("no parameter %s", full);
    return p;
}

static void expect_shape(const struct net *net, int t, int c, int h, int w)
{
    const struct tensor *x = &net->tensors[t];
    if (x->c != c || x->h != h || x->w != w)
        BUG("tensor is %dx%dx%d, the operation gives %dx%dx%d", x->c, x->h, x->w, c, h, w);
}

static void add_conv(struct net *net, struct op *op, const char *name, int k, int stride)
{
    const struct tensor *x = &net->tensors[op->in], *y = &net->tensors[op->out];
    expect_shape(net, op->out, y->c, (x->h - 1) / stride + 1, (x->w - 1) / stride + 1);
    op->conv = (struct conv){.k = k, .stride = stride};
    if (op->weight->n != (size_t)(x->c * y->c * k * k))
        BUG("%s: weight has %zu elements, the shape needs %d", name, op->weight->n, x->c * y->c * k * k);
}

void net_conv_bn_silu(struct net *net, const char *name, int in, int out, int residual, int k, int stride)
{
    const struct tensor *y = &net->tensors[out];
    if (residual >= 0)
        expect_shape(net, residual, y->c, y->h, y->w);
    struct op *op = add_op(net, OP_CONV_BN_SILU, in, out);
    op->residual = residual;
    op->weight = need(net, name, "conv.weight");
    op->scale = need(net, name, "bn.weight");
    op->bias = need(net, name, "bn.bias");
    op->mean = need(net, name, "bn.running_mean");
    op->var = need(net, name, "bn.running_var");
    add_conv(net, op, name, k, stride);
}

void net_conv_bias(struct net *net, const char *name, int in, int out)
{
    struct op *op = add_op(net, OP_CONV_BIAS, in, out);
    op->weight = need(net, name, "weight");
    op->bias = need(net, name, "bias");
    add_conv(net, op, name, 1, 1);
    net->buffers[net->tensor_buffer[out]].is_output = true;
}

void net_maxpool(struct net *net, int in, int out)
{
    const struct tensor *x = &net->tensors[in];
    expect_shape(net, out, x->c, x->h, x->w);
    add_op(net, OP_MAXPOOL, in, out);
}

void net_upsample(struct net *net, int in, int out)
{
    const struct tensor *x = &net->tensors[in];
    expect_shape(net, out, x->c, 2 * x->h, 2 * x->w);
    add_op(net, OP_UPSAMPLE, in, out);
}

/* True when these channels are untouched (the writer may overwrite); false when all were written (it must add). */
static bool claim(const struct net *net, bool **written, int t)
{
    bool *w = written[net->tensor_buffer[t]] + net->tensor_channel[t];
    int n_written = 0;
    for (int c = 0; c < net->tensors[t].c; c++) {
        n_written += w[c];
        w[c] = true;
    }
    if (n_written != 0 && n_written != net->tensors[t].c)
        BUG("gradient of a tensor is written in part: order the operations differently");
    return n_written == 0;
}

static void plan_gradient_order(struct net *net)
{
    struct arena scratch = {0};
    bool **written = ARENA_NEW(&scratch, bool *, (size_t)net->n_buffers);
    for (int b = 0; b < net->n_buffers; b++) {
        written[b] = ARENA_NEW(&scratch, bool, (size_t)net->buffers[b].c);
        memset(written[b], net->buffers[b].is_output, (size_t)net->buffers[b].c);
    }
    for (int i = net->n_ops - 1; i >= 0; i--) {
        struct op *op = &net->ops[i];
        if (claim(net, written, op->out))
            BUG("operation %d: nobody uses its output", i);
        if (op->residual >= 0)
            op->residual_overwrite = claim(net, written, op->residual);
        op->in_overwrite = claim(net, written, op->in);
    }
    arena_free(&scratch);
}

static size_t round_up(size_t n)
{
    return (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static void raise_to(size_t *most, size_t n)
{
    if (n > *most)
        *most = n;
}

static bool is_convolution(const struct op *op)
{
    return op->kind == OP_CONV_BN_SILU || op->kind == OP_CONV_BIAS;
}

/* Plans the convolutions and sums up what they need of shared memory. */
static void plan_convolutions(struct net *net, struct arena *a)
{
    bool is_direct = net->kernels && net->kernels->is_direct;
    net->scratch_stride = net->restored_stride = net->partial_stride = net->n_packed = 0;
    for (int i = 0; i < net->n_ops; i++) {
        struct op *op = &net->ops[i];
        if (!is_convolution(op))
            continue;
        conv_plan(&op->conv, &net->tensors[op->in], &net->tensors[op->z], op->conv.k, op->conv.stride, is_direct, a);
        raise_to(&net->scratch_stride, round_up(conv_scratch(&op->conv, net->is_training)));
        raise_to(&net->partial_stride, round_up(conv_partial(&op->conv)));
        if (net->is_training) {
            raise_to(&net->n_packed, conv_packed(&op->conv));
            raise_to(&net->restored_stride, round_up(restore_elements(net, i)));
        } else {
            net->n_packed += round_up(conv_packed(&op->conv));
        }
    }
}

static void allocate_channels(struct net *net, struct op *op, struct arena *a)
{
    size_t c = (size_t)(op->conv.out_blocks * LANES);
    real **rows[] = {&op->batch_mean, &op->inv_std, &op->fold_scale, &op->fold_shift,
                     &op->grad_a,     &op->grad_b,  &op->grad_c};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        *rows[i] = ARENA_NEW(a, real, c);
    op->batch_var = ARENA_NEW(a, double, c);
    if (net->is_training)
        op->sums = ARENA_NEW(a, double, (size_t)(net->batch * op->conv.n_chunks) * c * 2);
}

static size_t workers_of(const struct net *net)
{
    return (size_t)(net->pool ? pool_size(net->pool) : 1);
}

/* Lent memory comes as it is, not zeroed. */
static real *take(struct net *net, struct arena *a, size_t n)
{
    if (!net->n_lent || n > net->n_lent - net->n_lodged)
        return a ? ARENA_NEW(a, real, n) : NULL;
    net->n_lodged += n;
    return net->lent ? net->lent + net->n_lodged - n : NULL;
}

/* What may lie in lent memory: nothing is read of it before it was written. */
static void allocate_walk(struct net *net, struct arena *a)
{
    net->n_lodged = 0;
    net->data = take(net, a, net->n_data);
    net->packed = take(net, a, net->n_packed);
    net->scratch = take(net, a, net->scratch_stride * workers_of(net));
}

static void allocate(struct net *net, struct arena *a)
{
    if (net->is_training) {
        net->restored = ARENA_NEW(a, real, net->restored_stride * workers_of(net));
        net->partial = ARENA_NEW(a, real, net->partial_stride * NET_GRAD_GROUPS);
    }
    size_t packed = 0;
    for (int i = 0; i < net->n_ops; i++) {
        struct op *op = &net->ops[i];
        const struct tensor *t = &net->tensors[op->out];
        if (is_convolution(op)) {
            allocate_channels(net, op, a);
            op->packed = net->packed + packed;
            packed += net->is_training ? 0 : round_up(conv_packed(&op->conv));
        }
        if (op->kind == OP_MAXPOOL && net->is_training)
            op->argmax = ARENA_NEW(a, uint8_t, (size_t)(net->batch * t->blocks) * (size_t)(t->h * t->w * LANES));
    }
}

static void place_tensors(struct net *net)
{
    for (int t = 0; t < net->n_tensors; t++) {
        struct tensor *x = &net->tensors[t];
        const struct net_buffer *b = &net->buffers[net->tensor_buffer[t]];
        struct tensor whole;
        x->image_stride = tensor_shape(&whole, b->c, b->h, b->w, b->lanes);
        size_t start = (size_t)(net->tensor_channel[t] / b->lanes) * x->plane +
                       TENSOR_BORDER * (x->row + (size_t)b->lanes);
        x->data = b->is_rgb ? NULL : net->data + b->data_offset + start;
        x->grad = net->is_training && !b->is_z && !b->is_input ? net->data + b->grad_offset + start : NULL;
    }
}

static void mark_sources(struct net *net)
{
    for (int b = 0; b < net->n_buffers; b++)
        net->buffers[b].is_source = true;
    for (int i = 0; i < net->n_ops; i++) {
        net->buffers[net->tensor_buffer[net->ops[i].out]].is_source = false;
        net->buffers[net->tensor_buffer[net->ops[i].z]].is_source = false;
    }
}

void net_plan(struct net *net, int batch, bool is_training, struct arena *a)
{
    if (is_training && net->n_lent)
        BUG("a net that trains in lent memory");
    net->batch = batch;
    net->is_training = is_training;
    for (int i = 0; i < net->n_ops; i++) { /* inference normalises in place; training keeps z for backward */
        struct op *op = &net->ops[i];
        op->z = op->out;
        if (op->kind == OP_CONV_BN_SILU && is_training) {
            const struct tensor t = net->tensors[op->out];
            int b = net_buffer(net, t.c, t.h, t.w);
            net->buffers[b].is_z = true;
            op->z = net_view(net, b, 0, t.c);
        }
    }
    mark_sources(net);
    memory_plan(net);
    if (is_training && net->n_data * sizeof(real) > (net->keep_bytes ? net->keep_bytes : NET_KEEP_BYTES)) {
        restore_mark(net);
        memory_plan(net);
    }
    struct arena sizes_only = {0};
    plan_convolutions(net, a ? a : &sizes_only);
    arena_free(&sizes_only);
    allocate_walk(net, a);
    if (!a)
        return;
    allocate(net, a);
    place_tensors(net);
    if (is_training)
        plan_gradient_order(net);
}

size_t net_bytes(const struct net *net)
{
    size_t n = net->n_data + net->n_packed + (net->scratch_stride + net->restored_stride) * workers_of(net);
    return (n - net->n_lodged + (net->is_training ? net->partial_stride * NET_GRAD_GROUPS : 0)) * sizeof(real);
}

void net_lodge_in(struct net *net, const struct net *host)
{
    if (!host->is_training)
        BUG("only a net that trains lends");
    net->lent = host->data;
    net->n_lent = host->n_data;
}

void net_free(struct net *net)
{
    mem_free(net->ops);
    mem_free(net->tensors);
    mem_free(net->tensor_buffer);
    mem_free(net->tensor_channel);
    mem_free(net->buffers);
    *net = (struct net){0};
}
