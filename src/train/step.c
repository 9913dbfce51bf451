/* One batch: fill, forward, loss, backward, perhaps an optimizer step. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/stop.h"
#include "trainer.h"

#define MAX_GRAD_NORM 10.0

static bool optimizer_step(struct trainer *t, const struct schedule_point *at, struct error *e)
{
    struct param_set *p = &t->m->params;
    t->s.updates++;
    struct optim_step step = {
        .kind = t->optimizer,
        .lr = at->lr,
        .bias_lr = at->bias_lr,
        .momentum = at->momentum,
        .weight_decay = t->o->weight_decay,
        .max_grad_norm = MAX_GRAD_NORM,
        .step = t->s.updates,
    };
    if (!isfinite(optim_update(t->k, t->pool, p, &step)))
        return trainer_diverged(t, "gradient", trainer_batch_index(t), e);
    memset(p->grad, 0, p->n_trainable * sizeof *p->grad);
    double batches = (double)t->schedule.batches_per_epoch * t->epochs;
    optim_ema(t->k, t->pool, p,
              recipe_ema_keep(t->o->recipe, t->s.updates, batches * t->o->batch_size / t->schedule.nominal_batch));
    t->s.last_step = t->s.iteration;
    return true;
}

/* Batch `index` of the epoch at work; past its last one: the first of the next. */
static struct batch_range range_of(const struct trainer *t, int index)
{
    bool is_next_epoch = index == t->schedule.batches_per_epoch;
    int epoch = t->s.epoch + is_next_epoch, first = is_next_epoch ? 0 : index * t->o->batch_size;
    int left = t->train_images.n - first;
    return (struct batch_range){.epoch = epoch,
                                .first = first,
                                .n = left < t->o->batch_size ? left : t->o->batch_size,
                                .use_mosaic = epoch < t->epochs - t->o->close_mosaic};
}

static bool take_batch(struct trainer *t, int index, struct error *e)
{
    struct batch_range range = range_of(t, index), next = range_of(t, index + 1);
    double from = clock_seconds();
    bool ok;
    t->batch = prefetch_take(t->prefetch, &range, &ok);
    t->image_seconds_here += clock_seconds() - from;
    if (!ok)
        return fail(e, ERR_DATA, "an image of the dataset vanished or changed while it was used: run again");
    if (next.epoch < t->epochs)
        prefetch_begin(t->prefetch, &next);
    return true;
}

/* A stop between two operations gives the batch up: it left no trace and is done again after the resumption. While
 * gradients of earlier batches wait for their step it is finished instead; such batches are small. */
static bool train_batch(struct trainer *t, int index, struct error *e)
{
    bool owes_a_step = t->s.iteration - t->s.last_step > 1;
    t->d.net.is_cancelled = owes_a_step ? NULL : stop_requested;
    if (!take_batch(t, index, e))
        return false;
    const struct batch *b = t->batch;
    int n = b->range.n;
    net_use_images(&t->d.net, b->pixels);
    if (!net_forward(&t->d.net, n))
        return true;
    loss_assign(t->loss, b->labels, b->n_labels, n);
    struct loss_result r;
    loss_gradients(t->loss, n, &r);
    if (!isfinite(r.total))
        return trainer_diverged(t, "loss", trainer_batch_index(t), e);
    if (!net_backward(&t->d.net, n)) {
        memset(t->m->params.grad, 0, t->m->params.n_trainable * sizeof(real));
        return true;
    }
    net_update_running(&t->d.net);
    struct schedule_point at = schedule_at(&t->schedule, t->s.epoch, t->s.iteration);
    if (t->s.iteration - t->s.last_step >= at.accumulate && !optimizer_step(t, &at, e))
        return false;
    t->s.iteration++;
    t->s.batch = index + 1;
    t->s.loss_sums[0] += r.box;
    t->s.loss_sums[1] += r.cls;
    t->s.loss_sums[2] += r.dfl;
    return true;
}

bool trainer_step(struct trainer *t, struct error *e)
{
    double from = clock_seconds();
    long before = t->s.iteration;
    if (!train_batch(t, t->s.batch, e))
        return false;
    double took = clock_seconds() - from;
    t->s.epoch_seconds += took;
    if (t->s.iteration > before) {
        t->batches_here++;
        t->batch_seconds_here += took;
        budget_saw(&t->budget->batch_seconds, took);
    }
    return true;
}

bool trainer_measure(struct trainer *t, const real *weights, struct arena *a, struct metrics out[MAP_RULES])
{
    double from = clock_seconds();
    bool is_whole = evaluate(&t->predictor, weights, &t->val_images, &EVALUATE_NMS, a, out);
    if (is_whole)
        budget_saw(&t->budget->validate_seconds, clock_seconds() - from);
    return is_whole;
}
