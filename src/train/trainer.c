#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
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
    int n = t->train_images.n, batches = (n + o->batch_size - 1) / o->batch_size, epochs = t->epochs;
    int nominal = o->recipe->nominal_batch > o->batch_size ? o->recipe->nominal_batch : o->batch_size;
    long updates = (long)((n + nominal - 1) / nominal) * epochs;
    t->optimizer = o->optimizer;
    if (o->optimizer_auto)
        t->optimizer = updates > MANY_UPDATES ? OPTIMIZER_SGD : OPTIMIZER_ADAMW;
    bool sgd = t->optimizer == OPTIMIZER_SGD;
    double lr = o->learning_rate;
    if (lr <= 0)
        lr = sgd ? SGD_LEARNING_RATE : round(0.002 * 5 / (4 + t->m->spec.n_classes) * 1e6) / 1e6;
    double momentum = o->optimizer_auto ? 0.9 : o->momentum;
    t->schedule = (struct schedule){
        .epochs = epochs,
        .batches_per_epoch = batches,
        .batch_size = o->batch_size,
        .nominal_batch = nominal,
        .lr = lr,
        .final_fraction = o->final_lr_fraction,
        .momentum = momentum,
        .warmup_iterations = schedule_warmup(o->warmup_epochs, batches, epochs),
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

static void open_state(struct trainer *t, struct arena *a)
{
    t->s = (struct train_state){.best_fitness = -1, .jobs = 1, .last_step = -1, .epochs = t->epochs};
    t->s.rows = ARENA_NEW(a, struct epoch_row, (size_t)t->epochs);
    t->s.best = ARENA_NEW(a, real, t->m->params.n_total);
}

void trainer_open_networks(struct trainer *t)
{
    struct model *m = t->m;
    detector_build(&t->d, &m->spec, &m->params, t->k, t->pool, t->o->image_size, t->o->image_size);
    net_plan(&t->d.net, t->o->batch_size, true, &t->work);
    net_use_weights(&t->d.net, m->params.data);
    t->loss = loss_open(&t->d, &t->work);
    loss_widen(t->loss, (real)t->o->recipe->least_side);
    /* Gradients that wait for their optimizer step lie with the parameters: between two batches nobody needs this net's. */
    predictor_open_in(&t->predictor, m, t->k, t->pool, evaluate_batch(t->o->image_size), &t->d.net);
    t->predictor.is_cancelled = stop_requested;
    struct batch_source source = {.cache = &t->train_images,
                                  .augment = &t->o->augment,
                                  .seed = t->o->seed,
                                  .size = t->o->image_size,
                                  .max_labels = batch_most_labels(&t->train_images)};
    t->prefetch = prefetch_open(&source, t->o->batch_size, t->pool);
}

void trainer_describe(const struct trainer *t)
{
    const struct schedule *s = &t->schedule;
    int threads = t->pool ? pool_size(t->pool) : 1;
    log_info("training YOLOv8%c for %d epoch%s of %d batches at %d px: %s, learning rate %g, %d warm-up iterations, %s "
             "kernels, %d thread%s, %.0f MB",
             t->m->spec.scale, t->epochs, t->epochs == 1 ? "" : "s", s->batches_per_epoch, t->o->image_size,
             t->optimizer == OPTIMIZER_SGD ? "SGD" : "AdamW", s->lr, s->warmup_iterations, t->k->name,
             threads, threads == 1 ? "" : "s", (double)(net_bytes(&t->d.net) + net_bytes(&t->predictor.d.net)) / 1e6);
}

bool trainer_open(struct trainer *t, const struct dataset *d, struct arena *a, struct error *e)
{
    t->budget = t->o->budget ? t->o->budget : &t->unlimited;
    t->epochs = t->o->epochs ? t->o->epochs : TRAIN_MOST_AUTO_EPOCHS;
    if (!open_images(t, d, e))
        return false;
    choose_optimizer(t);
    open_state(t, a);
    return true;
}

void trainer_set_epochs(struct trainer *t, int epochs)
{
    t->epochs = t->s.epochs = epochs;
    choose_optimizer(t);
}

void trainer_close(struct trainer *t)
{
    log_status("%s", "");
    prefetch_close(t->prefetch);
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

/* A damaged checkpoint costs the time since the one before it, not the training. */
static bool load(struct trainer *t, const char *path, bool *found, struct error *e)
{
    struct error why = {0};
    int max_rows = t->epochs;
    if (state_load(path, t->o->identity, &t->s, &t->m->params, max_rows, found, &why))
        return true;
    *found = false;
    if (why.code != ERR_DATA) {
        *e = why;
        return false;
    }
    log_warning("%s: not used", why.message);
    return true;
}

bool trainer_resume(struct trainer *t, bool *is_resumed, struct error *e)
{
    struct arena a = {0};
    *is_resumed = false;
    bool ok = true;
    if (has_checkpoint(t->o)) {
        ok = load(t, t->o->checkpoint_path, is_resumed, e);
        if (ok && !*is_resumed) {
            ok = load(t, train_previous(t->o->checkpoint_path, &a), is_resumed, e);
            if (ok && *is_resumed)
                log_warning("going on from the checkpoint before it");
        }
    }
    arena_free(&a);
    if (!ok || !*is_resumed)
        return ok;
    trainer_set_epochs(t, t->s.epochs);
    t->s.jobs++;
    t->has_saved = true;
    t->saved_epoch = t->s.epoch;
    t->saved_batch = t->s.batch;
    log_info("resumed from the checkpoint at epoch %d, batch %d of %d (job %d)", t->s.epoch + 1, t->s.batch,
             t->schedule.batches_per_epoch, t->s.jobs);
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
    if (t->batch)
        batch_name_images(t->batch, &images);
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

char *train_previous(const char *path, struct arena *a)
{
    return arena_printf(a, "%s/%s.previous%s", fs_dir(a, path), fs_stem(a, path), fs_ext(path));
}

bool train_peek(const char *path, const char *identity, struct train_position *at, bool *found, struct error *e)
{
    struct train_state s = {0};
    if (!state_peek(path, identity, &s, found, e))
        return false;
    *at = (struct train_position){.epoch = s.epoch,
                                  .epochs = s.epochs,
                                  .batches = s.iteration,
                                  .jobs = s.jobs};
    return true;
}

/* A checkpoint with a weight that is not finite would replace the last good one by one that nobody can use. */
static bool write_checkpoint(struct trainer *t, struct error *e)
{
    const struct param_set *p = &t->m->params;
    const char *path = t->o->checkpoint_path;
    struct arena a = {0};
    struct fs_stat st;
    if (!is_finite(p->data, p->n_total) || !is_finite(p->ema, p->n_total))
        return trainer_diverged(t, "model", trainer_batch_index(t) - 1, e);
    t->s.seconds = t->seconds_before + clock_seconds() - t->job_started;
    bool ok = (!fs_exists(path) || fs_name_over(path, train_previous(path, &a), e)) &&
              state_save(path, t->o->identity, &t->s, p, e);
    if (ok && fs_stat(path, true, &st, e))
        t->budget->checkpoint_bytes = (double)st.size_bytes;
    arena_free(&a);
    return ok;
}

bool trainer_save(struct trainer *t, struct error *e)
{
    if (!has_checkpoint(t->o))
        return true;
    double from = clock_seconds();
    t->last_saved = from;
    if (!write_checkpoint(t, e))
        return false;
    budget_saw(&t->budget->save_seconds, clock_seconds() - from);
    t->n_saved++;
    t->has_saved = true;
    t->saved_epoch = t->s.epoch;
    t->saved_batch = t->s.batch;
    struct train_position at = trainer_position(t);
    return !t->o->hooks.saved || t->o->hooks.saved(t->o->hooks.ctx, &at, e);
}

struct train_position trainer_position(const struct trainer *t)
{
    return (struct train_position){.epoch = t->s.epoch,
                                   .epochs = t->epochs,
                                   .batches = t->s.iteration,
                                   .jobs = t->s.jobs};
}

/* Later jobs are as long as this one was meant to be. */
int trainer_jobs_left(const struct trainer *t)
{
    double seconds = trainer_seconds_left(t);
    const struct budget *b = t->budget;
    if (b->end <= 0 || !isfinite(seconds))
        return 0;
    int jobs = budget_jobs(b, b->end, seconds); /* as if this one was over */
    return jobs > 1 ? jobs - 1 : jobs;
}

double trainer_seconds_left(const struct trainer *t)
{
    long batches = (long)t->schedule.batches_per_epoch * t->epochs - trainer_batch_index(t);
    double each = t->batches_here > 0 ? t->batch_seconds_here / (double)t->batches_here : HUGE_VAL;
    /* Validation is a third of the work of training on as many images, until it was measured. */
    double validation = t->budget->validate_seconds > 0
                            ? t->budget->validate_seconds
                            : each / 3 * t->val_images.n / (t->o->batch_size > 0 ? t->o->batch_size : 1);
    return t->s.is_trained ? 0 : (double)batches * each + (t->epochs - t->s.epoch) * validation;
}
