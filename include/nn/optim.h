/* Optimizers, gradient clipping and the exponential moving average, over a whole parameter set. */
#ifndef NN_OPTIM_H
#define NN_OPTIM_H

#include "core/thread.h"
#include "nn/kernels.h"

enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD };

struct optim_step {
    enum optimizer kind;
    double lr;            /* of weights and BatchNorm scales */
    double bias_lr;       /* of biases: differs during warm-up */
    double momentum;      /* SGD momentum; AdamW's beta1 */
    double weight_decay;  /* of PARAM_WEIGHT only */
    double max_grad_norm; /* global L2 norm; 0 = no clipping */
    long step;            /* 1 for the first: AdamW's bias correction */
};

/* One update of p->data from p->grad. Returns the gradient's global norm before clipping (not finite = diverged; then
 * nothing was updated). */
double optim_update(const struct kernels *k, struct pool *pool, struct param_set *p, const struct optim_step *s);

/* ema = keep*ema + (1-keep)*data over all of n_total, BatchNorm's running statistics too. */
void optim_ema(const struct kernels *k, struct pool *pool, struct param_set *p, double keep);

#endif
