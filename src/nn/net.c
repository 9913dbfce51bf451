/* Running the operation list: up for forward, down for backward. */
#include "nn/net.h"

#include "nn/ops.h"

void net_forward(struct net *net, const real *weights, int n, bool update_running)
{
    if (n < 1 || n > net->batch)
        BUG("batch of %d in a net planned for %d", n, net->batch);
    net->weights = weights;
    for (int i = 0; i < net->n_ops; i++) {
        struct op *op = &net->ops[i];
        switch (op->kind) {
        case OP_CONV_BN_SILU:
            block_forward(net, op, n, update_running);
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
}

void net_backward(struct net *net, int n)
{
    for (int i = net->n_ops - 1; i >= 0; i--) {
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
}
