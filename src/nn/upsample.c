/* Nearest-neighbour upsampling by two: y[r][c] = x[r/2][c/2]; the gradient is the sum of the four children. */
#include "nn/ops.h"

struct job {
    struct net *net;
    struct op *op;
};

static void forward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    const real *x = tensor_image(in, image);
    real *y = tensor_image(out, image);
    for (int r = 0; r < out->c * out->h; r++) /* rows of all channels: plane boundaries fall on even rows */
        for (int c = 0; c < out->w; c++)
            y[(size_t)r * (size_t)out->w + (size_t)c] = x[(size_t)(r / 2) * (size_t)in->w + (size_t)(c / 2)];
}

static void backward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    real *dx = tensor_grad_image(in, image);
    const real *dy = tensor_grad_image(out, image);
    size_t w = (size_t)out->w;
    for (int r = 0; r < in->c * in->h; r++)
        for (int c = 0; c < in->w; c++) {
            const real *d = dy + (size_t)(2 * r) * w + (size_t)(2 * c);
            real total = d[0] + d[1] + d[w] + d[w + 1];
            real *at = dx + (size_t)r * (size_t)in->w + (size_t)c;
            *at = j->op->in_overwrite ? total : *at + total;
        }
}

void upsample_forward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, forward_item, &(struct job){net, op});
}

void upsample_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, backward_item, &(struct job){net, op});
}
