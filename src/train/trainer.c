#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"

#define MANY_UPDATES 10000 /* from here on SGD; below it AdamW learns faster */
#define SGD_LEARNING_RATE 0.01
#define SGD_WARMUP_MOMENTUM 0.8
#define IMAGE_NAMES_BYTES 1200 /* of the error that names a batch */

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

size_t trainer_room_for_validation(const struct trainer *t)
{
    size_t used = cache_size(&t->train_images);
    return used < t->cache_bytes ? t->cache_bytes - used : 0;
}

static bool open_images(struct trainer *t, const struct dataset *d, struct error *e)
{
    double from = clock_seconds();
    t->cache_bytes = t->o->cache_bytes ? t->o->cache_bytes : memory_find("").available_bytes / 2;
    if (!cache_open(&t->train_images, d, PART_TRAIN, CACHE_FIT, t->o->image_size, t->cache_bytes, t->pool, e) ||
        !cache_open(&t->val_images, d, PART_VAL, CACHE_RECT, t->o->image_size, trainer_room_for_validation(t), t->pool, e))
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

static void describe(const struct trainer *t)
{
    const struct schedule *s = &t->schedule;
    int threads = t->pool ? pool_size(t->pool) : 1;
    log_info("training YOLOv8%c for %d epochs of %d batches at %d px: %s, learning rate %g, %d warm-up iterations, %s "
             "kernels, %d thread%s, %.0f MB",
             t->m->spec.scale, t->o->epochs, s->batches_per_epoch, t->o->image_size,
             t->optimizer == OPTIMIZER_SGD ? "SGD" : "AdamW", s->lr, s->warmup_iterations, t->k->name,
             threads, threads == 1 ? "" : "s", (double)(net_bytes(&t->d.net) + net_bytes(&t->predictor.d.net)) / 1e6);
}

bool trainer_open(struct trainer *t, const struct dataset *d, struct arena *a, struct error *e)
{
    if (!open_images(t, d, e))
        return false;
    choose_optimizer(t);
    open_networks(t, a);
    describe(t);
    return true;
}

void trainer_close(struct trainer *t)
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

static bool has_checkpoint(const struct train_options *o)
{
    return o->checkpoint_path && *o->checkpoint_path;
}

bool trainer_resume(struct trainer *t, struct error *e)
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

/* One line with everything to act on. Training is a function of the options: the kept checkpoint leads here again. */
bool trainer_diverged(const struct trainer *t, const char *what, long batch, struct error *e)
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

long trainer_batch_index(const struct trainer *t)
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
bool trainer_save(struct trainer *t, struct error *e)
{
    const struct param_set *p = &t->m->params;
    if (!has_checkpoint(t->o))
        return true;
    if (!is_finite(p->data, p->n_total) || !is_finite(p->ema, p->n_total))
        return trainer_diverged(t, "model", trainer_batch_index(t) - 1, e);
    t->s.seconds = t->seconds_before + clock_seconds() - t->job_started;
    t->last_saved = clock_seconds();
    if (!state_save(t->o->checkpoint_path, t->o->identity, &t->s, p, e))
        return false;
    t->has_saved = true;
    t->saved_epoch = t->s.epoch;
    t->saved_batch = t->s.batch;
    return !t->o->saved || t->o->saved(t->o->saved_ctx, e);
}
