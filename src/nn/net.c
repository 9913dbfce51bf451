/* Running the operation list: up for forward, down for backward. */
#include "nn/net.h"

#include "nn/ops.h"

static bool goes_on(const struct net *net)
{
    return !net->is_cancelled || !net->is_cancelled();
}

void net_use_weights(struct net *net, const real *weights)
{
    net->weights = weights;
    for (int i = 0; i < net->n_ops && !net->is_training; i++)
        if (net->ops[i].kind == OP_CONV_BN_SILU || net->ops[i].kind == OP_CONV_BIAS)
            conv_op_prepare(net, &net->ops[i]);
}

void net_use_images(struct net *net, const uint8_t *const *images)
{
    net->images = images;
}

bool net_forward(struct net *net, int n)
{
    if (n < 1 || n > net->batch)
        BUG("batch of %d in a net planned for %d", n, net->batch);
    if (!net->weights)
        BUG("net_use_weights was not called");
    int i = 0;
    for (; i < net->n_ops && goes_on(net); i++) {
        struct op *op = &net->ops[i];
        switch (op->kind) {
        case OP_CONV_BN_SILU:
            block_forward(net, op, n);
            break;
        case OP_CONV_BIAS:
            biased_forward(net, op, n);
            break;
        case OP_MAXPOOL:
            maxpool_forward(net, op, n);
            break;
        case OP_UPSAMPLE:
            upsample_forward(net, op, n);
            break;
        }
    }
    return i == net->n_ops;
}

bool net_backward(struct net *net, int n)
{
    int i = net->n_ops - 1;
    for (; i >= 0 && goes_on(net); i--) {
        struct op *op = &net->ops[i];
        switch (op->kind) {
        case OP_CONV_BN_SILU:
            block_backward(net, op, n);
            break;
        case OP_CONV_BIAS:
            biased_backward(net, op, n);
            break;
        case OP_MAXPOOL:
            maxpool_backward(net, op, n);
            break;
        case OP_UPSAMPLE:
            upsample_backward(net, op, n);
            break;
        }
    }
    return i < 0;
}

void net_update_running(struct net *net)
{
    for (int i = 0; i < net->n_ops; i++) {
        const struct op *op = &net->ops[i];
        if (op->kind != OP_CONV_BN_SILU)
            continue;
        real *mean = net->params->data + op->mean->offset, *var = net->params->data + op->var->offset;
        for (int c = 0; c < op->conv.co; c++) {
            mean[c] = (real)((1 - NET_BN_MOMENTUM) * (double)mean[c] + NET_BN_MOMENTUM * (double)op->batch_mean[c]);
            var[c] = (real)((1 - NET_BN_MOMENTUM) * (double)var[c] + NET_BN_MOMENTUM * op->batch_var[c]);
        }
    }
}
