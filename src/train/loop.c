/* The training loop. One epoch: batches (fill, forward, loss, backward, perhaps an optimizer step), then validation on
 * the EMA weights. All state that outlives a batch is in struct train_state, so it can stop after any batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/stop.h"
#include "trainer.h"

#define MAX_GRAD_NORM 10.0

/* ---- one batch --------------------------------------------------------------------------------------------------- */

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
    double batches = (double)t->schedule.batches_per_epoch * t->o->epochs;
    optim_ema(t->k, t->pool, p,
              recipe_ema_keep(t->o->recipe, t->s.updates, batches * t->o->batch_size / t->schedule.nominal_batch));
    t->s.last_step = t->s.iteration;
    return true;
}

/* A stop between two operations gives the batch up: it left no trace and is done again after the resumption. While
 * gradients of earlier batches wait for their step it is finished instead; such batches are small. */
static bool train_batch(struct trainer *t, int index, struct error *e)
{
    bool owes_a_step = t->s.iteration - t->s.last_step > 1;
    t->d.net.is_cancelled = owes_a_step ? NULL : stop_requested;
    int first = index * t->o->batch_size, n = t->train_images.n - first;
    if (n > t->o->batch_size)
        n = t->o->batch_size;
    if (!batch_fill(&t->batch, first, n))
        return fail(e, ERR_DATA, "an image of the dataset vanished or changed while it was used: run again");
    detector_load(&t->d, (const uint8_t *const *)t->batch.pixels, n);
    if (!net_forward(&t->d.net, n))
        return true;
    loss_assign(t->loss, (const struct label *const *)t->batch.labels, t->batch.n_labels, n);
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

/* ---- one epoch --------------------------------------------------------------------------------------------------- */

static enum train_end why_stop(const struct trainer *t)
{
    if (stop_requested())
        return TRAIN_STOPPED;
    return t->o->deadline > 0 && clock_seconds() >= t->o->deadline ? TRAIN_DEADLINE : TRAIN_DONE;
}

/* Mean loss and speed of the epoch so far. */
static void show_batch(struct trainer *t)
{
    const struct train_state *s = &t->s;
    int images = s->batch * t->o->batch_size;
    if (s->batch == 0)
        return;
    progress_batch(&t->progress, s->epoch, s->batch, (s->loss_sums[0] + s->loss_sums[1] + s->loss_sums[2]) / s->batch,
                   (images < t->train_images.n ? images : t->train_images.n) / s->epoch_seconds);
}

static bool run_batches(struct trainer *t, enum train_end *end, struct error *e)
{
    batch_begin_epoch(&t->batch, t->s.epoch, t->s.epoch < t->o->epochs - t->o->close_mosaic);
    while (t->s.batch < t->schedule.batches_per_epoch) {
        double from = clock_seconds();
        if (!train_batch(t, t->s.batch, e))
            return false;
        t->s.epoch_seconds += clock_seconds() - from;
        show_batch(t);
        *end = why_stop(t);
        if (*end != TRAIN_DONE)
            return true;
        if (t->o->checkpoint_seconds > 0 && clock_seconds() - t->last_saved >= t->o->checkpoint_seconds && !trainer_save(t, e))
            return false;
    }
    return true;
}

static bool measure(struct trainer *t, const real *weights, struct arena *a, struct metrics out[MAP_RULES])
{
    return evaluate(&t->predictor, weights, &t->val_images, &EVALUATE_NMS, a, out);
}

static void close_epoch(struct trainer *t, const struct metrics *m)
{
    struct train_state *s = &t->s;
    float batches = (float)t->schedule.batches_per_epoch;
    struct epoch_row *row = &s->rows[s->n_rows++];
    *row = (struct epoch_row){
        .epoch = s->epoch + 1,
        .box_loss = (float)s->loss_sums[0] / batches,
        .cls_loss = (float)s->loss_sums[1] / batches,
        .dfl_loss = (float)s->loss_sums[2] / batches,
        .learning_rate = (float)schedule_at(&t->schedule, s->epoch, s->iteration).lr,
        .has_metrics = true,
        .map50 = (float)m->map50,
        .map50_95 = (float)m->map50_95,
        .precision = (float)m->precision,
        .recall = (float)m->recall,
        .seconds = s->epoch_seconds,
        .images_per_second = (float)(t->train_images.n / (s->epoch_seconds + 1e-9)),
    };
    bool is_best = evaluate_fitness(m) >= s->best_fitness;
    if (is_best) {
        s->best_fitness = evaluate_fitness(m);
        s->best_epoch = s->epoch + 1;
        memcpy(s->best, t->m->params.ema, t->m->params.n_total * sizeof(real));
    }
    s->epoch++;
    s->batch = 0;
    memset(s->loss_sums, 0, sizeof s->loss_sums);
    s->epoch_seconds = 0;
    double spent = clock_seconds() - t->progress.started;
    long here = (long)s->epoch * t->schedule.batches_per_epoch - t->progress.batches_at_start;
    long left = (long)(t->o->epochs - s->epoch) * t->schedule.batches_per_epoch;
    progress_epoch(&t->progress, row, here > 0 ? spent / (double)here * (double)left : 0, is_best && s->best_fitness > 0);
}

static bool run_epochs(struct trainer *t, enum train_end *end, struct error *e)
{
    *end = TRAIN_DONE;
    while (t->s.epoch < t->o->epochs) {
        if (t->o->patience > 0 && t->s.best_epoch > 0 && t->s.epoch - t->s.best_epoch >= t->o->patience) {
            *end = TRAIN_PATIENCE;
            return true;
        }
        if (!run_batches(t, end, e))
            return false;
        if (*end != TRAIN_DONE)
            return true;
        struct arena rows = {0};
        struct metrics by_rule[MAP_RULES];
        bool whole = measure(t, t->m->params.ema, &rows, by_rule);
        if (whole)
            close_epoch(t, &by_rule[MAP_RULE_STRICT]);
        arena_free(&rows);
        *end = why_stop(t);
        if (*end != TRAIN_DONE && (!whole || t->s.epoch < t->o->epochs))
            return true;
        *end = TRAIN_DONE;
    }
    return true;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median_speed(const struct train_state *s)
{
    if (s->n_rows == 0)
        return 0;
    float *v = mem_alloc(mem_mul((size_t)s->n_rows, sizeof *v));
    for (int i = 0; i < s->n_rows; i++)
        v[i] = s->rows[i].images_per_second;
    qsort(v, (size_t)s->n_rows, sizeof *v, by_value);
    float median = v[s->n_rows / 2];
    mem_free(v);
    return median;
}

/* The figures of the result are measured afresh on the weights that it hands out. *is_whole is false after a stop. */
static bool measure_result(struct trainer *t, const struct dataset *d, struct arena *a, struct train_result *out,
                           bool *is_whole, struct error *e)
{
    struct metrics by_rule[MAP_RULES];
    *is_whole = measure(t, t->s.best, a, out->best) && measure(t, t->m->params.ema, a, by_rule);
    if (!*is_whole)
        return true;
    out->last = by_rule[MAP_RULE_STRICT];
    cache_close(&t->val_images); /* first, so that both never take memory at once */
    if (!cache_open(&t->val_images, d, PART_VAL, CACHE_SQUARE, t->o->image_size, trainer_room_for_validation(t),
                    t->pool, e))
        return false;
    *is_whole = measure(t, t->s.best, a, by_rule);
    out->best_square = by_rule[MAP_RULE_STRICT];
    return true;
}

bool train_run(const struct train_options *o, const struct dataset *d, struct model *m, const struct kernels *k,
               struct pool *pool, struct arena *a, struct train_result *out, struct error *e)
{
    struct trainer t = {.o = o, .m = m, .k = k, .pool = pool};
    *out = (struct train_result){0};
    bool ok = trainer_open(&t, d, a, e) && trainer_resume(&t, e);
    if (!ok)
        goto done;
    t.seconds_before = t.s.seconds;
    t.job_started = t.last_saved = clock_seconds();
    t.progress = (struct progress){.epochs = o->epochs,
                                   .batches = t.schedule.batches_per_epoch,
                                   .started = t.job_started,
                                   .batches_at_start = (long)t.s.epoch * t.schedule.batches_per_epoch + t.s.batch};
    ok = run_epochs(&t, &out->end, e);
    if (!ok)
        goto done;
    bool is_finished = out->end == TRAIN_DONE || out->end == TRAIN_PATIENCE;
    if (is_finished && !measure_result(&t, d, a, out, &is_finished, e)) {
        ok = false;
        goto done;
    }
    if (!is_finished && (out->end == TRAIN_DONE || out->end == TRAIN_PATIENCE))
        out->end = TRAIN_STOPPED;
    if (!is_finished)
        ok = trainer_save(&t, e);
    out->best_weights = t.s.best;
    out->last_weights = m->params.ema;
    out->best_epoch = t.s.best_epoch;
    out->rows = t.s.rows;
    out->n_rows = t.s.n_rows;
    out->seconds = t.seconds_before + clock_seconds() - t.job_started;
    out->images_per_second = median_speed(&t.s);
    out->jobs = t.s.jobs;
done:
    trainer_close(&t);
    return ok;
}
