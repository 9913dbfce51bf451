/* The training loop. One epoch: batches (fill, forward, loss, backward, perhaps an optimizer step), then validation on
 * the EMA weights. All state that outlives a batch is in struct train_state, so it can stop after any batch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"
#include "detector/loss.h"
#include "nn/schedule.h"
#include "train/batch.h"
#include "train/evaluate.h"
#include "train/progress.h"
#include "train/rect.h"
#include "train/state.h"
#include "train/train.h"

#define MAX_GRAD_NORM 10.0
#define MANY_UPDATES 10000 /* from here on SGD; below it AdamW learns faster */
#define SGD_LEARNING_RATE 0.01
#define SGD_WARMUP_MOMENTUM 0.8
#define IMAGE_NAMES_BYTES 1200 /* of the error that names a batch */

struct trainer {
    const struct train_options *o;
    struct model *m;
    const struct kernels *k;
    struct pool *pool;
    struct arena work; /* networks and batches: freed when training ends */
    struct cache train_images, val_images;
    size_t cache_bytes; /* bound for both */
    struct detector d;
    struct loss *loss;
    struct predictor predictor;
    struct batch batch;
    struct schedule schedule;
    enum optimizer optimizer;
    struct train_state s;
    struct progress progress;
    double last_saved, job_started, seconds_before;
    bool has_saved; /* a checkpoint is there, of this job or of an earlier one, from before this batch: */
    int saved_epoch, saved_batch;
};

static void choose_optimizer(struct trainer *t)
{
    const struct train_options *o = t->o;
    int n = t->train_images.n, batches = (n + o->batch_size - 1) / o->batch_size;
    int nominal = o->recipe->nominal_batch > o->batch_size ? o->recipe->nominal_batch : o->batch_size;
    long updates = (long)((n + nominal - 1) / nominal) * o->epochs;
    t->optimizer = o->optimizer;
    if (o->optimizer_auto)
        t->optimizer = updates > MANY_UPDATES ? OPTIMIZER_SGD : OPTIMIZER_ADAMW;
    bool sgd = t->optimizer == OPTIMIZER_SGD;
    double lr = o->learning_rate;
    if (lr <= 0)
        lr = sgd ? SGD_LEARNING_RATE : round(0.002 * 5 / (4 + t->m->spec.n_classes) * 1e6) / 1e6;
    double momentum = o->optimizer_auto ? 0.9 : o->momentum;
    t->schedule = (struct schedule){
        .epochs = o->epochs,
        .batches_per_epoch = batches,
        .batch_size = o->batch_size,
        .nominal_batch = nominal,
        .lr = lr,
        .final_fraction = o->final_lr_fraction,
        .momentum = momentum,
        .warmup_iterations = schedule_warmup(o->warmup_epochs, batches, o->epochs),
        .warmup_bias_lr = sgd && !o->optimizer_auto ? 0.1 : 0,
        .warmup_momentum = sgd ? SGD_WARMUP_MOMENTUM : momentum,
    };
}

/* Training images come first: a mosaic takes four of them. */
static size_t room_for_validation(const struct trainer *t)
{
    size_t used = cache_size(&t->train_images);
    return used < t->cache_bytes ? t->cache_bytes - used : 0;
}

static bool open_images(struct trainer *t, const struct dataset *d, struct error *e)
{
    double from = clock_seconds();
    t->cache_bytes = t->o->cache_bytes ? t->o->cache_bytes : memory_find("").available_bytes / 2;
    if (!cache_open(&t->train_images, d, PART_TRAIN, CACHE_FIT, t->o->image_size, t->cache_bytes, t->pool, e) ||
        !cache_open(&t->val_images, d, PART_VAL, CACHE_RECT, t->o->image_size, room_for_validation(t), t->pool, e))
        return false;
    int n = t->train_images.n + t->val_images.n, n_kept = t->train_images.n_kept + t->val_images.n_kept;
    if (t->train_images.n == 0 || t->val_images.n == 0)
        return fail(e, ERR_DATA, "the dataset has %d training and %d validation images: both are needed",
                    t->train_images.n, t->val_images.n);
    log_info("decoded %d training and %d validation images in %.1f s", t->train_images.n, t->val_images.n,
             clock_seconds() - from);
    if (n_kept < n)
        log_warning("memory holds %d of %d decoded images; the others are decoded again at every use, which is slower",
                    n_kept, n);
    return true;
}

static void open_networks(struct trainer *t, struct arena *a)
{
    struct model *m = t->m;
    detector_build(&t->d, &m->spec, &m->params, t->k, t->pool, t->o->image_size, t->o->image_size);
    net_plan(&t->d.net, t->o->batch_size, true, &t->work);
    net_use_weights(&t->d.net, m->params.data);
    t->loss = loss_open(&t->d, &t->work);
    loss_widen(t->loss, (real)t->o->recipe->least_side);
    predictor_open(&t->predictor, m, t->k, t->pool, evaluate_batch(t->o->image_size));
    t->predictor.is_cancelled = stop_requested;
    batch_open(&t->batch, &t->train_images, &t->o->augment, t->o->image_size, t->o->batch_size, t->o->seed, t->pool,
               &t->work);
    t->s = (struct train_state){.best_fitness = -1, .jobs = 1, .last_step = -1};
    t->s.rows = ARENA_NEW(a, struct epoch_row, (size_t)t->o->epochs);
    t->s.best = ARENA_NEW(a, real, m->params.n_total);
}

static bool has_checkpoint(const struct train_options *o)
{
    return o->checkpoint_path && *o->checkpoint_path;
}

static bool resume(struct trainer *t, struct error *e)
{
    bool found = false;
    if (!has_checkpoint(t->o))
        return true;
    struct error why = {0};
    if (!state_load(t->o->checkpoint_path, t->o->identity, &t->s, &t->m->params, t->o->epochs, &found, &why)) {
        if (why.code != ERR_DATA) {
            *e = why;
            return false;
        }
        log_warning("%s; training starts from the beginning", why.message);
        return true;
    }
    if (found) {
        t->s.jobs++;
        t->has_saved = true;
        t->saved_epoch = t->s.epoch;
        t->saved_batch = t->s.batch;
        log_info("resumed from the checkpoint at epoch %d, batch %d of %d (job %d)", t->s.epoch + 1, t->s.batch,
                 t->schedule.batches_per_epoch, t->s.jobs);
    }
    return true;
}

/* ---- divergence -------------------------------------------------------------------------------------------------- */

/* One line with everything to act on. Training is a function of the options: the kept checkpoint leads here again. */
static bool diverged(const struct trainer *t, const char *what, long batch, struct error *e)
{
    long batches = t->schedule.batches_per_epoch; /* `batch` counts over all epochs, from 0 */
    struct str_buf images = STR_BUF(IMAGE_NAMES_BYTES);
    char kept[96] = "no checkpoint had been written";
    if (t->has_saved)
        snprintf(kept, sizeof kept, "the checkpoint before epoch %d, batch %d stays, but leads here again",
                 t->saved_epoch + 1, t->saved_batch + 1);
    batch_name_images(&t->batch, &images);
    fail(e, ERR_DIVERGED,
         "training diverged: the %s is not finite in epoch %ld, batch %ld (%s): lower learning-rate or raise warmup-epochs; "
         "%s",
         what, batch / batches + 1, batch % batches + 1, str_buf_text(&images), kept);
    str_buf_free(&images);
    return false;
}

/* Batches done, over all epochs: also the index of the one at work. */
static long batch_index(const struct trainer *t)
{
    return (long)t->s.epoch * t->schedule.batches_per_epoch + t->s.batch;
}

static bool is_finite(const real *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* A checkpoint with a weight that is not finite would replace the last good one by one that nobody can use. */
static bool save(struct trainer *t, struct error *e)
{
    const struct param_set *p = &t->m->params;
    if (!has_checkpoint(t->o))
        return true;
    if (!is_finite(p->data, p->n_total) || !is_finite(p->ema, p->n_total))
        return diverged(t, "model", batch_index(t) - 1, e);
    t->s.seconds = t->seconds_before + clock_seconds() - t->job_started;
    t->last_saved = clock_seconds();
    if (!state_save(t->o->checkpoint_path, t->o->identity, &t->s, p, e))
        return false;
    t->has_saved = true;
    t->saved_epoch = t->s.epoch;
    t->saved_batch = t->s.batch;
    return !t->o->saved || t->o->saved(t->o->saved_ctx, e);
}

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
        return diverged(t, "gradient", batch_index(t), e);
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
        return diverged(t, "loss", batch_index(t), e);
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
        if (t->o->checkpoint_seconds > 0 && clock_seconds() - t->last_saved >= t->o->checkpoint_seconds && !save(t, e))
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
    if (!cache_open(&t->val_images, d, PART_VAL, CACHE_SQUARE, t->o->image_size, room_for_validation(t),
                    t->pool, e))
        return false;
    *is_whole = measure(t, t->s.best, a, by_rule);
    out->best_square = by_rule[MAP_RULE_STRICT];
    return true;
}

static void close_trainer(struct trainer *t)
{
    log_status("%s", "");
    batch_close(&t->batch);
    loss_close(t->loss);
    predictor_close(&t->predictor);
    detector_free(&t->d);
    cache_close(&t->train_images);
    cache_close(&t->val_images);
    arena_free(&t->work);
}

static void describe(const struct trainer *t)
{
    const struct schedule *s = &t->schedule;
    log_info("training YOLOv8%c for %d epochs of %d batches at %d px: %s, learning rate %g, %d warm-up iterations, %s "
             "kernels, %d "
             "threads, %.0f MB",
             t->m->spec.scale, t->o->epochs, s->batches_per_epoch, t->o->image_size,
             t->optimizer == OPTIMIZER_SGD ? "SGD" : "AdamW", s->lr, s->warmup_iterations, t->k->name,
             t->pool ? pool_size(t->pool) : 1, (double)(net_bytes(&t->d.net) + net_bytes(&t->predictor.d.net)) / 1e6);
}

bool train_run(const struct train_options *o, const struct dataset *d, struct model *m, const struct kernels *k,
               struct pool *pool, struct arena *a, struct train_result *out, struct error *e)
{
    struct trainer t = {.o = o, .m = m, .k = k, .pool = pool};
    *out = (struct train_result){0};
    bool ok = open_images(&t, d, e);
    if (!ok)
        goto done;
    choose_optimizer(&t);
    open_networks(&t, a);
    describe(&t);
    ok = resume(&t, e);
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
        ok = save(&t, e);
    out->best_weights = t.s.best;
    out->last_weights = m->params.ema;
    out->best_epoch = t.s.best_epoch;
    out->rows = t.s.rows;
    out->n_rows = t.s.n_rows;
    out->seconds = t.seconds_before + clock_seconds() - t.job_started;
    out->images_per_second = median_speed(&t.s);
    out->jobs = t.s.jobs;
done:
    close_trainer(&t);
    return ok;
}
