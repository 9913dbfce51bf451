/* What a convolution in the net does with its weights: packing them, and their gradient. */
#include "memory.h"
#include "ops.h"

struct job {
    struct net *net;
    struct op *op;
    int n;
    bool is_backward;
    void (*prepare)(struct net *, struct op *, int image);
};

static void pack_item(void *ctx, int block, int worker)
{
    struct job *j = ctx;
    const real *w = j->net->weights + j->op->weight->offset;
    if (j->is_backward)
        conv_pack_backward(j->net->kernels, &j->op->conv, w, block, j->op->packed, worker_scratch(j->net, worker));
    else
        conv_pack_forward(j->net->kernels, &j->op->conv, w, block, j->op->packed, worker_scratch(j->net, worker));
}

void conv_op_pack(struct net *net, struct op *op, bool is_backward)
{
    struct job j = {.net = net, .op = op, .is_backward = is_backward};
    pool_run(net->pool, is_backward ? op->conv.in_blocks : op->conv.out_blocks, pack_item, &j);
}

/* Weight gradients are summed over fixed runs of images, each into its own part, so that the order of additions does not
 * depend on the threads. */
static int group_start(int n, int group, int groups)
{
    return (int)((long)n * group / groups);
}

static int groups_of(int n)
{
    return n < NET_GRAD_GROUPS ? n : NET_GRAD_GROUPS;
}

static real *partial_of(const struct net *net, int group)
{
    return net->partial + (size_t)group * net->partial_stride;
}

static void input_grad(struct net *net, const struct op *op, int image, real *scratch)
{
    const struct tensor *in = &net->tensors[op->in], *out = &net->tensors[op->out];
    struct view dy = tensor_grad(out, image), dx = tensor_grad(in, image);
    if (op->conv.k > 1) /* gradient memory was something else before */
        tensor_clear_border(out, &dy);
    for (int chunk = 0; chunk < op->conv.n_grad_chunks; chunk++)
        conv_input_grad(net->kernels, &op->conv, &dy, op->packed, &dx, !op->in_overwrite, chunk, scratch);
}

static void group_item(void *ctx, int group, int worker)
{
    struct job *j = ctx;
    struct net *net = j->net;
    struct op *op = j->op;
    real *scratch = worker_scratch(net, worker);
    int first = group_start(j->n, group, groups_of(j->n)), end = group_start(j->n, group + 1, groups_of(j->n));
    for (int i = first; i < end; i++) {
        if (j->prepare)
            j->prepare(net, op, i);
        if (net->tensors[op->in].grad)
            input_grad(net, op, i, scratch);
    }
    struct tensor dy = net->tensors[op->out];
    dy.grad += (size_t)first * dy.image_stride;
    if (net->buffers[net->tensor_buffer[op->in]].is_rgb) {
        conv_weight_grad_rgb(net->kernels, &op->conv, net->images + first, &dy, end - first, partial_of(net, group),
                             scratch);
        return;
    }
    struct tensor x = restore_images(net, (int)(op - net->ops), first, end,
                                     net->restored + (size_t)worker * net->restored_stride);
    conv_weight_grad(net->kernels, &op->conv, &x, &dy, end - first, partial_of(net, group), scratch);
}

static void reduce_item(void *ctx, int block, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct conv *c = &j->op->conv;
    size_t n = conv_partial(c) / (size_t)c->out_blocks, start = (size_t)block * n;
    for (int g = 1; g < groups_of(j->n); g++)
        j->net->kernels->add(partial_of(j->net, 0) + start, partial_of(j->net, g) + start, n);
    conv_unpack_grad(c, partial_of(j->net, 0), block, j->net->params->grad + j->op->weight->offset);
}

void conv_op_backward(struct net *net, struct op *op, int n, void (*prepare)(struct net *, struct op *, int image))
{
    struct job j = {.net = net, .op = op, .n = n, .prepare = prepare};
    if (net->tensors[op->in].grad)
        conv_op_pack(net, op, true);
    pool_run(net->pool, groups_of(n), group_item, &j);
    pool_run(net->pool, op->conv.out_blocks, reduce_item, &j);
}
