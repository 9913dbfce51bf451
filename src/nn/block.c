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
    void (*prepare)(struct net *, struct op *, int image);
};

static real *worker_scratch(const struct net *net, int worker)
{
    return net->scratch + (size_t)worker * net->scratch_stride;
}

static real *plane_of(const struct tensor *t, real *image, int c)
{
    return image + (size_t)c * tensor_plane_size(t);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void conv_image(const struct net *net, const struct op *op, int image, int worker)
{
    const struct tensor *in = &net->tensors[op->in], *z = &net->tensors[op->z];
    conv_forward(net->kernels, &op->conv, tensor_image(in, image), net->weights + op->weight->offset,
                 tensor_image(z, image), worker_scratch(net, worker));
}

static void activate_image(struct net *net, struct op *op, int image)
{
    const struct tensor *z = &net->tensors[op->z], *out = &net->tensors[op->out];
    const struct tensor *res = op->residual >= 0 ? &net->tensors[op->residual] : NULL;
    for (int c = 0; c < op->conv.co; c++)
        net->kernels->bn_silu(plane_of(z, tensor_image(z, image), c), tensor_plane_size(z), op->fold_scale[c],
                              op->fold_shift[c], res ? plane_of(res, tensor_image(res, image), c) : NULL,
                              plane_of(out, tensor_image(out, image), c));
}

static void train_conv_item(void *ctx, int image, int worker)
{
    struct job *j = ctx;
    conv_image(j->net, j->op, image, worker);
    const struct tensor *z = &j->net->tensors[j->op->z];
    double *sums = j->op->image_sums + (size_t)image * (size_t)j->op->conv.co * 2;
    for (int c = 0; c < j->op->conv.co; c++)
        j->net->kernels->plane_stats(plane_of(z, tensor_image(z, image), c), tensor_plane_size(z), &sums[2 * c],
                                     &sums[2 * c + 1]);
}

static void activate_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    activate_image(j->net, j->op, image);
}

static void infer_item(void *ctx, int image, int worker)
{
    struct job *j = ctx;
    conv_image(j->net, j->op, image, worker);
    activate_image(j->net, j->op, image);
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

/* Merges the images' means and second moments in image order (Chan, Golub and LeVeque, 1979). */
static void combine_stats(struct net *net, struct op *op, int n)
{
    double plane = (double)tensor_plane_size(&net->tensors[op->z]);
    int channels = op->conv.co;
    for (int c = 0; c < channels; c++) {
        double mean = 0, m2 = 0, count = 0;
        for (int i = 0; i < n; i++) {
            const double *s = op->image_sums + ((size_t)i * (size_t)channels + (size_t)c) * 2;
            double delta = s[0] - mean, total = count + plane;
            mean += delta * plane / total;
            m2 += s[1] + delta * delta * count * plane / total;
            count = total;
        }
        fold(net, op, c, mean, m2 / count);
        op->batch_var[c] = count > 1 ? m2 / (count - 1) : m2;
    }
}

void block_forward(struct net *net, struct op *op, int n)
{
    struct job j = {.net = net, .op = op, .n = n};
    if (net->is_training) {
        pool_run(net->pool, n, train_conv_item, &j);
        combine_stats(net, op, n);
        pool_run(net->pool, n, activate_item, &j);
        return;
    }
    for (int c = 0; c < op->conv.co; c++)
        fold(net, op, c, (double)net->weights[op->mean->offset + (size_t)c],
             (double)net->weights[op->var->offset + (size_t)c]);
    pool_run(net->pool, n, infer_item, &j);
}

static void biased_item(void *ctx, int image, int worker)
{
    struct job *j = ctx;
    conv_image(j->net, j->op, image, worker);
    const struct tensor *out = &j->net->tensors[j->op->out];
    for (int c = 0; c < j->op->conv.co; c++)
        j->net->kernels->add_scalar(plane_of(out, tensor_image(out, image), c), tensor_plane_size(out),
                                    j->net->weights[j->op->bias->offset + (size_t)c]);
}

void biased_forward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, biased_item, &(struct job){.net = net, .op = op, .n = n});
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* The residual takes the whole gradient; then the gradient becomes dy in place and its sums are taken. */
static void activation_grad_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    struct net *net = j->net;
    struct op *op = j->op;
    const struct tensor *z = &net->tensors[op->z], *out = &net->tensors[op->out];
    size_t plane = tensor_plane_size(out);
    real *d = tensor_grad_image(out, image);
    if (op->residual >= 0) {
        real *dres = tensor_grad_image(&net->tensors[op->residual], image);
        if (op->residual_overwrite)
            memcpy(dres, d, plane * (size_t)op->conv.co * sizeof *d);
        else
            net->kernels->add(dres, d, plane * (size_t)op->conv.co);
    }
    double *sums = op->image_sums + (size_t)image * (size_t)op->conv.co * 2;
    for (int c = 0; c < op->conv.co; c++)
        net->kernels->silu_grad(plane_of(z, tensor_image(z, image), c), plane_of(out, d, c), plane, op->fold_scale[c],
                                op->fold_shift[c], op->batch_mean[c], &sums[2 * c], &sums[2 * c + 1]);
}

static void combine_grads(struct net *net, struct op *op, int n)
{
    int channels = op->conv.co;
    double count = (double)n * (double)tensor_plane_size(&net->tensors[op->z]);
    for (int c = 0; c < channels; c++) {
        double sum_dy = 0, sum_dyz = 0;
        for (int i = 0; i < n; i++) {
            const double *s = op->image_sums + ((size_t)i * (size_t)channels + (size_t)c) * 2;
            sum_dy += s[0];
            sum_dyz += s[1];
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
    const struct tensor *z = &net->tensors[op->z], *out = &net->tensors[op->out];
    for (int c = 0; c < op->conv.co; c++)
        net->kernels->bn_grad(plane_of(z, tensor_image(z, image), c), plane_of(out, tensor_grad_image(out, image), c),
                              tensor_plane_size(out), op->batch_mean[c], op->grad_a[c], op->grad_b[c], op->grad_c[c]);
}

static int group_start(int n, int group, int groups)
{
    return (int)((long)n * group / groups);
}

static int groups_of(int n)
{
    return n < NET_GRAD_GROUPS ? n : NET_GRAD_GROUPS;
}

static void group_item(void *ctx, int group, int worker)
{
    struct job *j = ctx;
    struct net *net = j->net;
    struct op *op = j->op;
    const struct tensor *in = &net->tensors[op->in], *out = &net->tensors[op->out];
    real *partial = net->partial + (size_t)group * net->partial_stride;
    int first = group_start(j->n, group, groups_of(j->n)), end = group_start(j->n, group + 1, groups_of(j->n));
    for (int i = first; i < end; i++) {
        if (j->prepare)
            j->prepare(net, op, i);
        conv_backward(net->kernels, &op->conv, tensor_image(in, i), net->weights + op->weight->offset,
                      tensor_grad_image(out, i), partial, i > first, in->grad ? tensor_grad_image(in, i) : NULL,
                      !op->in_overwrite, worker_scratch(net, worker));
    }
}

#define REDUCE_CHUNK 16384

static void reduce_item(void *ctx, int chunk, int worker)
{
    (void)worker;
    struct job *j = ctx;
    size_t start = (size_t)chunk * REDUCE_CHUNK, n = j->op->weight->n - start;
    if (n > REDUCE_CHUNK)
        n = REDUCE_CHUNK;
    real *grad = j->net->params->grad + j->op->weight->offset + start;
    for (int g = 0; g < groups_of(j->n); g++)
        j->net->kernels->add(grad, j->net->partial + (size_t)g * j->net->partial_stride + start, n);
}

void conv_op_backward(struct net *net, struct op *op, int n, void (*prepare)(struct net *, struct op *, int image))
{
    struct job j = {.net = net, .op = op, .n = n, .prepare = prepare};
    pool_run(net->pool, groups_of(n), group_item, &j);
    pool_run(net->pool, (int)((op->weight->n + REDUCE_CHUNK - 1) / REDUCE_CHUNK), reduce_item, &j);
}

void block_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, n, activation_grad_item, &(struct job){.net = net, .op = op, .n = n});
    combine_grads(net, op, n);
    conv_op_backward(net, op, n, prepare_dz);
}

static void bias_grad_item(void *ctx, int c, int worker)
{
    (void)worker;
    struct job *j = ctx;
    const struct tensor *out = &j->net->tensors[j->op->out];
    double total = 0;
    for (int i = 0; i < j->n; i++)
        total += j->net->kernels->sum(plane_of(out, tensor_grad_image(out, i), c), tensor_plane_size(out));
    j->net->params->grad[j->op->bias->offset + (size_t)c] += (real)total;
}

void biased_backward(struct net *net, struct op *op, int n)
{
    pool_run(net->pool, op->conv.co, bias_grad_item, &(struct job){.net = net, .op = op, .n = n});
    conv_op_backward(net, op, n, NULL);
}
