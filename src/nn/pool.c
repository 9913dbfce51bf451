/* Max pooling 5x5, stride 1, padding 2 with minus infinity: the map keeps its size. Ties go to the first cell in
 * row-major order, as in PyTorch. */
#include "nn/ops.h"

#include <math.h>
#include <string.h>

#define REACH (NET_POOL_SIZE / 2)

struct job {
    struct net *net;
    struct op *op;
};

/* The columns [*first, *first + n) of the output whose input dc to the right is inside a row of w. */
static int columns(int dc, int w, int *first)
{
    *first = dc < 0 ? -dc : 0;
    int end = dc > 0 ? w - dc : w;
    return end > *first ? end - *first : 0;
}

static uint8_t *place_of(const struct job *j, const struct tensor *t, int image, int block, int r)
{
    size_t row = (size_t)(t->w * LANES);
    return j->op->argmax + ((size_t)(image * t->blocks + block) * (size_t)t->h + (size_t)r) * row;
}

static void forward_row(const struct job *j, const struct tensor *t, const struct view *x, int block, int r, real *out,
                        uint8_t *place)
{
    for (int i = 0; i < t->w * LANES; i++)
        out[i] = -INFINITY;
    memset(place, NET_POOL_SIZE * REACH + REACH, (size_t)(t->w * LANES));
    for (int dr = -REACH; dr <= REACH; dr++)
        for (int dc = -REACH; dc <= REACH && r + dr >= 0 && r + dr < t->h; dc++) {
            int first, n = columns(dc, t->w, &first);
            if (n > 0)
                j->net->kernels->max_lanes(out + first * LANES, place + first * LANES,
                                           view_at(x, block, r + dr, first + dc), n,
                                           (uint8_t)((dr + REACH) * NET_POOL_SIZE + dc + REACH));
        }
}

static void forward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *in = &j->net->tensors[j->op->in], *out = &j->net->tensors[j->op->out];
    struct view x = tensor_data(in, image), y = tensor_data(out, image);
    uint8_t unused[LANES * 1024];
    if (!j->op->argmax && in->w > 1024)
        BUG("pooling of a map %d wide", in->w);
    for (int b = 0; b < in->blocks; b++)
        for (int r = 0; r < in->h; r++)
            forward_row(j, in, &x, b, r, view_at(&y, b, r, 0), j->op->argmax ? place_of(j, in, image, b, r) : unused);
    tensor_clear_border(out, &y);
}

static void backward_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *t = &j->net->tensors[j->op->in];
    struct view dx = tensor_grad(t, image), dy = tensor_grad(&j->net->tensors[j->op->out], image);
    for (int b = 0; b < t->blocks; b++) {
        for (int r = 0; r < t->h && j->op->in_overwrite; r++)
            memset(view_at(&dx, b, r, 0), 0, (size_t)(t->w * LANES) * sizeof(real));
        for (int r = 0; r < t->h; r++)
            for (int tag = 0; tag < NET_POOL_SIZE * NET_POOL_SIZE; tag++) {
                int dr = tag / NET_POOL_SIZE - REACH, dc = tag % NET_POOL_SIZE - REACH, first;
                int n = columns(dc, t->w, &first);
                if (r + dr >= 0 && r + dr < t->h && n > 0)
                    j->net->kernels->max_lanes_grad(view_at(&dy, b, r, first),
                                                    place_of(j, t, image, b, r) + first * LANES, n, (uint8_t)tag,
                                                    view_at(&dx, b, r + dr, first + dc));
            }
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
