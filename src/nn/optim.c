#include "nn/optim.h"

#include <math.h>

#define CHUNK 65536 /* elements per item: sums are taken per chunk and added in chunk order */
#define ADAM_BETA2 0.999
#define ADAM_EPS 1e-8

struct norm_job {
    const struct kernels *k;
    const struct param_set *p;
    double *sums;
};

static size_t chunk_size(size_t total, int chunk)
{
    size_t left = total - (size_t)chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static void norm_item(void *ctx, int chunk, int worker)
{
    (void)worker;
    struct norm_job *j = ctx;
    j->sums[chunk] = j->k->sum_squares(j->p->grad + (size_t)chunk * CHUNK, chunk_size(j->p->n_trainable, chunk));
}

static double grad_norm(const struct kernels *k, struct pool *pool, const struct param_set *p)
{
    int chunks = (int)((p->n_trainable + CHUNK - 1) / CHUNK);
    struct norm_job j = {k, p, mem_alloc(mem_mul((size_t)chunks, sizeof(double)))};
    pool_run(pool, chunks, norm_item, &j);
    double total = 0;
    for (int i = 0; i < chunks; i++)
        total += j.sums[i];
    mem_free(j.sums);
    return sqrt(total);
}

struct update_job {
    const struct kernels *k;
    struct param_set *p;
    const struct optim_step *s;
    struct adamw_step adam;
    double scale;
};

static void update_item(void *ctx, int item, int worker)
{
    (void)worker;
    struct update_job *j = ctx;
    const struct param *q = &j->p->items[item];
    if (q->kind == PARAM_MEAN || q->kind == PARAM_VAR)
        return;
    double lr = q->kind == PARAM_BIAS ? j->s->bias_lr : j->s->lr;
    double decay = q->kind == PARAM_WEIGHT ? j->s->weight_decay : 0;
    struct param_set *p = j->p;
    size_t o = q->offset;
    if (j->s->kind == OPTIMIZER_ADAMW) {
        struct adamw_step a = j->adam;
        a.lr = (real)lr;
        a.decay = (real)decay;
        j->k->adamw(&a, q->n, p->grad + o, p->data + o, p->moment1 + o, p->moment2 + o);
    } else {
        j->k->sgd(q->n, (real)lr, (real)j->s->momentum, (real)decay, (real)j->scale, p->grad + o, p->data + o,
                  p->moment1 + o);
    }
}

double optim_update(const struct kernels *k, struct pool *pool, struct param_set *p, const struct optim_step *s)
{
    double norm = grad_norm(k, pool, p);
    if (!isfinite(norm))
        return norm;
    struct update_job j = {.k = k, .p = p, .s = s, .scale = 1};
    if (s->max_grad_norm > 0 && s->max_grad_norm / (norm + 1e-6) < 1)
        j.scale = s->max_grad_norm / (norm + 1e-6);
    j.adam = (struct adamw_step){
        .beta1 = (real)s->momentum,
        .beta2 = (real)ADAM_BETA2,
        .eps = (real)ADAM_EPS,
        .correction1 = (real)(1 - pow(s->momentum, (double)s->step)),
        .correction2 = (real)(1 - pow(ADAM_BETA2, (double)s->step)),
        .grad_scale = (real)j.scale,
    };
    pool_run(pool, p->n_items, update_item, &j);
    return norm;
}

struct ema_job {
    const struct kernels *k;
    struct param_set *p;
    real keep;
};

static void ema_item(void *ctx, int chunk, int worker)
{
    (void)worker;
    struct ema_job *j = ctx;
    size_t o = (size_t)chunk * CHUNK;
    j->k->ema(chunk_size(j->p->n_total, chunk), j->keep, j->p->data + o, j->p->ema + o);
}

void optim_ema(const struct kernels *k, struct pool *pool, struct param_set *p, double keep)
{
    struct ema_job j = {k, p, (real)keep};
    pool_run(pool, (int)((p->n_total + CHUNK - 1) / CHUNK), ema_item, &j);
}
