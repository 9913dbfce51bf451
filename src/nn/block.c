/* Convolution + BatchNorm + SiLU (+ residual), the block that the detector is made of, and the biased convolution of
 * its outputs.
 *
 * BatchNorm (Ioffe and Szegedy, 2015): xhat = (z - mean) / sqrt(var + eps), y = gamma * xhat + beta with the batch's
 * biased variance; the running variance takes the unbiased one. Backward, with N values per channel:
 *   dgamma = sum dy xhat, dbeta = sum dy, dz = gamma/sigma * (dy - dbeta/N - xhat * dgamma/N). */
#include "nn/ops.h"

#include <math.h>
#include <string.h>

struct job {
    struct net *net;
    struct op *op;
    int n;
};

/* The sums of one part of an image: two values per channel, blocks of padded channels side by side. */
static double *sums_of(const struct op *op, int part, int block)
{
    return op->sums + ((size_t)part * (size_t)op->conv.out_blocks + (size_t)block) * 2 * LANES;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void conv_chunk(const struct net *net, const struct op *op, int image, int chunk, int worker)
{
    struct view z = tensor_data(&net->tensors[op->z], image);
    if (net->buffers[net->tensor_buffer[op->in]].is_rgb) {
        conv_forward_rgb(net->kernels, &op->conv, net->images[image], op->packed, &z, chunk, worker_scratch(net, worker));
        return;
    }
    struct view x = tensor_data(&net->tensors[op->in], image);
    conv_forward(net->kernels, &op->conv, &x, op->packed, &z, chunk, worker_scratch(net, worker));
}

/* Rows [row, row_end) of blocks [first, end). */
static void activate(const struct net *net, const struct op *op, int image, int first, int end, int row, int row_end,
                     const struct view *residual, const struct view *to)
{
    struct view z = tensor_data(&net->tensors[op->z], image);
    for (int b = first; b < end; b++)
        for (int r = row; r < row_end; r++)
            net->kernels->bn_silu(view_at(&z, b, r, 0), op->conv.ow, op->fold_scale + b * LANES,
                                  op->fold_shift + b * LANES, residual->p ? view_at(residual, b - first, r, 0) : NULL,
                                  view_at(to, b - first, r, 0));
}

void block_activate(const struct net *net, const struct op *op, int image, int first, int end,
                    const struct view *residual, const struct view *to)
{
    activate(net, op, image, first, end, 0, op->conv.oh, residual, to);
}

static void activate_rows(const struct net *net, const struct op *op, int image, int row, int row_end)
{
    struct view out = tensor_data(&net->tensors[op->out], image);
    struct view residual = op->residual >= 0 ? tensor_data(&net->tensors[op->residual], image) : (struct view){0};
    activate(net, op, image, 0, op->conv.out_blocks, row, row_end, &residual, &out);
}

static void train_conv_item(void *ctx, int part, int worker)
{
    struct job *j = ctx;
    const struct op *op = j->op;
    const struct conv *c = &op->conv;
    int image = part / c->n_chunks, chunk = part % c->n_chunks, first = chunk * c->chunk_rows;
    conv_chunk(j->net, op, image, chunk, worker);
    struct view z = tensor_data(&j->net->tensors[op->z], image);
    for (int b = 0; b < c->out_blocks; b++) {
        double *sums = sums_of(op, part, b);
        j->net->kernels->stats(view_at(&z, b, first, 0), (ptrdiff_t)z.row, c->ow, conv_chunk_end(c, chunk) - first, sums,
                               sums + LANES);
    }
}

static void activate_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    activate_rows(j->net, j->op, image, 0, j->op->conv.oh);
}

static void infer_item(void *ctx, int part, int worker)
{
    struct job *j = ctx;
    const struct conv *c = &j->op->conv;
    int image = part / c->n_chunks, chunk = part % c->n_chunks;
    conv_chunk(j->net, j->op, image, chunk, worker);
    activate_rows(j->net, j->op, image, chunk * c->chunk_rows, conv_chunk_end(c, chunk));
}

static void fold(const struct net *net, struct op *op, int c, double mean, double var)
{
    double inv_std = 1 / sqrt(var + NET_BN_EPS);
    double gamma = (double)net->weights[op->scale->offset + (size_t)c];
    op->batch_mean[c] = (real)mean;
    op->inv_std[c] = (real)inv_std;
    op->fold_scale[c] = (real)(gamma * inv_std);
    op->fold_shift[c] = (real)((double)net->weights[op->bias->offset + (size_t)c] - mean * gamma * inv_std);
}

/* Merges the parts' means and second moments in their order (Chan, Golub and LeVeque, 1979). */
static void combine_stats(struct net *net, struct op *op, int n)
{
    const struct conv *v = &op->conv;
    for (int c = 0; c < v->co; c++) {
        double mean = 0, m2 = 0, count = 0;
        for (int i = 0; i < n * v->n_chunks; i++) {
            const double *s = sums_of(op, i, c / LANES) + c % LANES;
            int chunk = i % v->n_chunks;
            double here = (double)((conv_chunk_end(v, chunk) - chunk * v->chunk_rows) * v->ow);
            double delta = s[0] - mean, total = count + here;
            mean += delta * here / total;
            m2 += s[LANES] + delta * delta * count * here / total;
            count = total;
        }
        fold(net, op, c, mean, m2 / count);
        op->batch_var[c] = count > 1 ? m2 / (count - 1) : m2;
    }
}

void conv_op_prepare(struct net *net, struct op *op)
{
    conv_op_pack(net, op, false);
    for (int c = 0; c < op->conv.co; c++)
        if (op->kind == OP_CONV_BIAS)
            op->fold_shift[c] = net->weights[op->bias->offset + (size_t)c];
        else
            fold(net, op, c, (double)net->weights[op->mean->offset + (size_t)c],
                 (double)net->weights[op->var->offset + (size_t)c]);
}

static void clear_borders(struct net *net, const struct op *op, int n)
{
    for (int i = 0; i < n; i++) {
        struct view out = tensor_data(&net->tensors[op->out], i);
        tensor_clear_border(&net->tensors[op->out], &out);
    }
}

void block_forward(struct net *net, struct op *op, int n)
{
    struct job j = {.net = net, .op = op, .n = n};
    if (net->is_training) {
        conv_op_pack(net, op, false);
        pool_run(net->pool, n * op->conv.n_chunks, train_conv_item, &j);
        combine_stats(net, op, n);
        pool_run(net->pool, n, activate_item, &j);
    } else {
        pool_run(net->pool, n * op->conv.n_chunks, infer_item, &j);
    }
    clear_borders(net, op, n);
}

static void biased_item(void *ctx, int part, int worker)
{
    struct job *j = ctx;
    const struct conv *c = &j->op->conv;
    int image = part / c->n_chunks, chunk = part % c->n_chunks;
    conv_chunk(j->net, j->op, image, chunk, worker);
    struct view out = tensor_data(&j->net->tensors[j->op->out], image);
    for (int b = 0; b < c->out_blocks; b++)
        for (int r = chunk * c->chunk_rows; r < conv_chunk_end(c, chunk); r++)
            j->net->kernels->add_lanes(view_at(&out, b, r, 0), c->ow, j->op->fold_shift + b * LANES);
}

void biased_forward(struct net *net, struct op *op, int n)
{
    if (net->is_training)
        conv_op_prepare(net, op);
    pool_run(net->pool, n * op->conv.n_chunks, biased_item, &(struct job){.net = net, .op = op, .n = n});
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* The residual takes the whole gradient. */
static void residual_grad(const struct net *net, const struct op *op, int image)
{
    const struct tensor *t = &net->tensors[op->residual];
    struct view d = tensor_grad(&net->tensors[op->out], image), res = tensor_grad(t, image);
    for (int b = 0; b < t->blocks; b++)
        for (int r = 0; r < t->h; r++) {
            if (op->residual_overwrite)
                memcpy(view_at(&res, b, r, 0), view_at(&d, b, r, 0), (size_t)(t->w * LANES) * sizeof(real));
            else
                net->kernels->add(view_at(&res, b, r, 0), view_at(&d, b, r, 0), (size_t)(t->w * LANES));
        }
}

/* The gradient becomes dy in place and its sums are taken, per image. */
static void activation_grad_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    struct net *net = j->net;
    const struct op *op = j->op;
    if (op->residual >= 0)
        residual_grad(net, op, image);
    struct view z = tensor_data(&net->tensors[op->z], image), d = tensor_grad(&net->tensors[op->out], image);
    for (int b = 0; b < op->conv.out_blocks; b++) {
        double *sums = sums_of(op, image, b);
        memset(sums, 0, 2 * LANES * sizeof *sums);
        for (int r = 0; r < op->conv.oh; r++)
            net->kernels->silu_grad(view_at(&z, b, r, 0), view_at(&d, b, r, 0), op->conv.ow, op->fold_scale + b * LANES,
                                    op->fold_shift + b * LANES, op->batch_mean + b * LANES, sums, sums + LANES);
    }
}

static void combine_grads(struct net *net, struct op *op, int n)
{
    double count = (double)n * op->conv.oh * op->conv.ow;
    for (int c = 0; c < op->conv.co; c++) {
        double sum_dy = 0, sum_dyz = 0;
        for (int i = 0; i < n; i++) {
            const double *s = sums_of(op, i, c / LANES) + c % LANES;
            sum_dy += s[0];
            sum_dyz += s[LANES];
        }
        double inv_std = (double)op->inv_std[c], scale = (double)net->weights[op->scale->offset + (size_t)c] * inv_std;
        net->params->grad[op->scale->offset + (size_t)c] += (real)(sum_dyz * inv_std);
        net->params->grad[op->bias->offset + (size_t)c] += (real)sum_dy;
        op->grad_a[c] = (real)scale;
        op->grad_b[c] = (real)(-scale * inv_std * inv_std * sum_dyz / count);
        op->grad_c[c] = (real)(-scale * sum_dy / count);
    }
}

static void prepare_dz(struct net *net, struct op *op, int image)
{
    struct view z = tensor_data(&net->tensors[op->z], image), d = tensor_grad(&net->tensors[op->out], image);
    for (int b = 0; b < op->conv.out_blocks; b++)
        for (int r = 0; r < op->conv.oh; r++)
            net->kernels->bn_grad(view_at(&z, b, r, 0), view_at(&d, b, r, 0), op->conv.ow, op->batch_mean + b * LANES,
                                  op->grad_a + b * LANES, op->grad_b + b * LANES, op->grad_c + b * LANES);
}

void block_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, activation_grad_item, &(struct job){.net = net, .op = op, .n = n});
    combine_grads(net, op, n);
    conv_op_backward(net, op, n, prepare_dz);
}

static void bias_grad_item(void *ctx, int block, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *out = &j->net->tensors[j->op->out];
    double total[LANES] = {0};
    for (int i = 0; i < j->n; i++) {
        struct view d = tensor_grad(out, i);
        for (int r = 0; r < out->h; r++)
            j->net->kernels->sum_lanes(view_at(&d, block, r, 0), out->w, total);
    }
    for (int c = block * LANES; c < out->c && c < (block + 1) * LANES; c++)
        j->net->params->grad[j->op->bias->offset + (size_t)c] += (real)total[c % LANES];
}

void biased_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, op->conv.out_blocks, bias_grad_item, &(struct job){.net = net, .op = op, .n = n});
    conv_op_backward(net, op, n, NULL);
}
