/* Max pooling 5x5, stride 1, padding 2 with minus infinity: the map keeps its size. Ties go to the first cell in
 * row-major order, as in PyTorch. */
#include "nn/ops.h"

#include <string.h>

#define REACH (NET_POOL_SIZE / 2)

struct job {
    struct net *net;
    struct op *op;
};

static void pool_plane(const real *x, int h, int w, real *y, uint8_t *argmax)
{
    for (int r = 0; r < h; r++)
        for (int c = 0; c < w; c++) {
            real best = 0;
            int at = -1;
            for (int dr = -REACH; dr <= REACH; dr++)
                for (int dc = -REACH; dc <= REACH; dc++) {
                    if (r + dr < 0 || r + dr >= h || c + dc < 0 || c + dc >= w)
                        continue;
                    real v = x[(r + dr) * w + c + dc];
                    if (at < 0 || v > best || v != v) { /* NaN spreads, it is never hidden */
                        best = v;
                        at = (dr + REACH) * NET_POOL_SIZE + dc + REACH;
                    }
                }
            y[r * w + c] = best;
            if (argmax)
                argmax[r * w + c] = (uint8_t)at;
        }
}

static void forward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    size_t plane = tensor_plane_size(in);
    for (int c = 0; c < in->c; c++) {
        uint8_t *argmax = j->op->argmax ? j->op->argmax + ((size_t)image * (size_t)in->c + (size_t)c) * plane : NULL;
        pool_plane(tensor_image(in, image) + (size_t)c * plane, in->h, in->w,
                   tensor_image(out, image) + (size_t)c * plane, argmax);
    }
}

static void backward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    size_t plane = tensor_plane_size(in);
    real *dx = tensor_grad_image(in, image);
    const real *dy = tensor_grad_image(out, image);
    const uint8_t *argmax = j->op->argmax + (size_t)image * (size_t)in->c * plane;
    if (j->op->in_overwrite)
        memset(dx, 0, (size_t)in->c * plane * sizeof *dx);
    for (int c = 0; c < in->c; c++)
        for (int r = 0; r < in->h; r++)
            for (int x = 0; x < in->w; x++) {
                size_t i = (size_t)c * plane + (size_t)r * (size_t)in->w + (size_t)x;
                int dr = argmax[i] / NET_POOL_SIZE - REACH, dc = argmax[i] % NET_POOL_SIZE - REACH;
                dx[(long)i + dr * in->w + dc] += dy[i];
            }
}

void maxpool_forward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, forward_item, &(struct job){net, op});
}

void maxpool_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, backward_item, &(struct job){net, op});
}
