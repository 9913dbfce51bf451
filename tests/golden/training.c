#include "training.h"

#include <string.h>

#include "train/recipe.h"

#define WEIGHT_DECAY 0.0005
#define MAX_GRAD_NORM 10

const struct training trainings[N_TRAININGS] = {
    {"adamw",
     OPTIMIZER_ADAMW,
     {.epochs = 4,
      .batches_per_epoch = 5,
      .batch_size = 32,
      .nominal_batch = 64,
      .lr = 0.002,
      .final_fraction = 0.01,
      .momentum = 0.9,
      .warmup_iterations = 8,
      .warmup_bias_lr = 0,
      .warmup_momentum = 0.9}},
    {"sgd",
     OPTIMIZER_SGD,
     {.epochs = 4,
      .batches_per_epoch = 5,
      .batch_size = 32,
      .nominal_batch = 64,
      .lr = 0.01,
      .final_fraction = 0.01,
      .momentum = 0.937,
      .warmup_iterations = 8,
      .warmup_bias_lr = 0.1,
      .warmup_momentum = 0.8}},
};

double training_update(const struct kernels *k, struct pool *pool, struct param_set *p, const struct training *r,
                     const struct schedule_point *at, long step)
{
    struct optim_step s = {.kind = r->optimizer,
                           .lr = at->lr,
                           .bias_lr = at->bias_lr,
                           .momentum = at->momentum,
                           .weight_decay = WEIGHT_DECAY,
                           .max_grad_norm = MAX_GRAD_NORM,
                           .step = step};
    double norm = optim_update(k, pool, p, &s);
    memset(p->grad, 0, p->n_trainable * sizeof *p->grad);
    optim_ema(k, pool, p, recipe_ema_keep(recipe_find("reference"), step, 1));
    return norm;
}

void training_check_state(struct golden *g, const char *at, const struct param_set *p, double eps_allowed)
{
    golden_check_state(g, arena_printf(&g->arena, "%s/data", at), p, p->data, eps_allowed);
    golden_check_state(g, arena_printf(&g->arena, "%s/ema", at), p, p->ema, eps_allowed);
}
