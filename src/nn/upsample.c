/* Nearest-neighbour upsampling by two: y[r][c] = x[r/2][c/2]; the gradient is the sum of the four children. */
#include "nn/ops.h"

struct job {
    struct net *net;
    struct op *op;
};

void upsample_block(const struct kernels *k, const struct tensor *in, const struct view *from, int from_block,
                    const struct view *to, int to_block)
{
    for (int r = 0; r < in->h; r++)
        k->upsample(view_at(from, from_block, r, 0), in->w, view_at(to, to_block, 2 * r, 0),
                    view_at(to, to_block, 2 * r + 1, 0));
}

static void forward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    struct view x = tensor_data(in, image), y = tensor_data(out, image);
    for (int b = 0; b < in->blocks; b++)
        upsample_block(j->net->kernels, in, &x, b, &y, b);
    tensor_clear_border(out, &y);
}

static void backward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    struct view dx = tensor_grad(in, image), dy = tensor_grad(out, image);
    for (int b = 0; b < in->blocks; b++)
        for (int r = 0; r < in->h; r++)
            j->net->kernels->upsample_grad(view_at(&dy, b, 2 * r, 0), view_at(&dy, b, 2 * r + 1, 0), in->w,
                                           view_at(&dx, b, r, 0), !j->op->in_overwrite);
}

void upsample_forward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, forward_item, &(struct job){net, op});
}

void upsample_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, backward_item, &(struct job){net, op});
}
