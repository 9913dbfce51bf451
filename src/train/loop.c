/* The training loop: epochs of batches (step.c), each followed by validation on the EMA weights. All state that outlives a
 * batch is in struct train_state, so it can stop after any batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/stop.h"
#include "trainer.h"

/* The first checkpoint of a job comes early: it tells how long later ones take. */
#define FIRST_CHECKPOINT_S 60.0
/* A forecast from less would tell of the first batch's page faults. */
#define FORECAST_BATCHES 4
#define FORECAST_S 3.0

/* ---- one epoch --------------------------------------------------------------------------------------------------- */

/* ahead: seconds of what comes next, which cannot stop in the middle. */
static enum train_end why_stop(const struct trainer *t, double ahead)
{
    if (stop_requested())
        return TRAIN_STOPPED;
    const struct budget *b = t->budget;
    return budget_lacks(b, clock_seconds(), ahead, budget_reserve_to_stop(b)) ? TRAIN_DEADLINE : TRAIN_DONE;
}

static bool is_checkpoint_due(const struct trainer *t)
{
    double every = t->o->checkpoint_seconds;
    if (every > FIRST_CHECKPOINT_S && t->n_saved == 0)
        every = FIRST_CHECKPOINT_S;
    return every > 0 && clock_seconds() - t->last_saved >= every;
}

/* Twice a job: from the first batches on, and when a validation was timed too. */
static void forecast(struct trainer *t, bool is_validated)
{
    bool is_known = (is_validated && t->batches_here > 0) || (t->batches_here >= FORECAST_BATCHES && t->batch_seconds_here >= FORECAST_S);
    if (!is_known || t->n_forecasts > is_validated)
        return;
    double seconds = trainer_seconds_left(t);
    int jobs = budget_jobs(t->budget, clock_seconds(), seconds);
    if (t->n_forecasts == 0 || jobs != t->jobs_forecast)
        progress_forecast(&t->progress, t->budget, seconds);
    t->n_forecasts = 1 + is_validated;
    t->jobs_forecast = jobs;
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
    const struct train_hooks *hooks = &t->o->hooks;
    while (t->s.batch < t->schedule.batches_per_epoch) {
        if (!trainer_step(t, e) || (hooks->tick && !hooks->tick(hooks->ctx, e)))
            return false;
        show_batch(t);
        forecast(t, false);
        bool is_last = t->s.batch == t->schedule.batches_per_epoch;
        *end = why_stop(t, is_last ? t->budget->validate_seconds : 0);
        if (*end != TRAIN_DONE)
            return true;
        if (is_checkpoint_due(t) && !trainer_save(t, e))
            return false;
    }
    return true;
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
    bool is_going_on = t->batches_here && s->epoch < t->epochs;
    progress_epoch(&t->progress, row, is_going_on ? trainer_seconds_left(t) : HUGE_VAL, is_best && s->best_fitness > 0);
    forecast(t, true);
}

static bool has_lost_patience(const struct trainer *t)
{
    return t->o->patience > 0 && t->s.best_epoch > 0 && t->s.epoch - t->s.best_epoch >= t->o->patience;
}

static bool run_epochs(struct trainer *t, enum train_end *end, struct error *e)
{
    *end = TRAIN_DONE;
    while (t->s.epoch < t->epochs) {
        if (has_lost_patience(t)) {
            *end = TRAIN_PATIENCE;
            break;
        }
        if (!run_batches(t, end, e))
            return false;
        if (*end != TRAIN_DONE)
            return true;
        struct arena rows = {0};
        struct metrics by_rule[MAP_RULES];
        bool whole = trainer_measure(t, t->m->params.ema, &rows, by_rule);
        if (whole)
            close_epoch(t, &by_rule[MAP_RULE_STRICT]);
        arena_free(&rows);
        *end = why_stop(t, 0);
        if (*end != TRAIN_DONE && (!whole || t->s.epoch < t->epochs))
            return true;
        *end = TRAIN_DONE;
    }
    t->s.is_trained = true;
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
    *is_whole = trainer_measure(t, t->s.best, a, out->best) && trainer_measure(t, t->m->params.ema, a, by_rule);
    if (!*is_whole)
        return true;
    out->last = by_rule[MAP_RULE_STRICT];
    cache_close(&t->val_images); /* first, so that both never take memory at once */
    if (!cache_open(&t->val_images, d, PART_VAL, CACHE_SQUARE, t->o->image_size, trainer_room_for_validation(t),
                    t->pool, e))
        return false;
    *is_whole = trainer_measure(t, t->s.best, a, by_rule);
    out->best_square = by_rule[MAP_RULE_STRICT];
    return true;
}

/* The state that this job begins with. */
static bool begin(struct trainer *t, struct error *e)
{
    bool is_resumed = false;
    t->job_started = t->last_saved = clock_seconds();
    if (t->budget->opened <= 0)
        t->budget->opened = t->job_started;
    if (!trainer_resume(t, &is_resumed, e))
        return false;
    trainer_open_networks(t);
    if (!is_resumed && !t->o->epochs && !trainer_choose_epochs(t, e))
        return false;
    trainer_describe(t);
    t->seconds_before = t->s.seconds;
    t->progress = (struct progress){.epochs = t->epochs,
                                    .batches = t->schedule.batches_per_epoch,
                                    .started = clock_seconds(),
                                    .batches_at_start = trainer_batch_index(t)};
    return true;
}

/* Training is over; is there time to measure, gate and publish? A job that came for nothing else tries in any case. */
static bool should_leave_the_end(const struct trainer *t)
{
    const struct budget *b = t->budget;
    return t->batches_here > 0 && budget_lacks(b, clock_seconds(), 0, budget_reserve_to_finish(b));
}

static bool run(struct trainer *t, const struct dataset *d, struct arena *a, struct train_result *out, struct error *e)
{
    if (!begin(t, e) || !run_epochs(t, &out->end, e))
        return false;
    log_debug("batches took %.1f s, %.2f s of it until their images were there (%ld samples were ready)",
              t->batch_seconds_here, t->image_seconds_here, prefetch_ready(t->prefetch));
    bool is_finished = t->s.is_trained;
    if (is_finished && should_leave_the_end(t)) {
        out->end = TRAIN_DEADLINE;
        is_finished = false;
    }
    /* From here on only a failure can cost work: measuring, the gate, the upload. */
    if (is_finished && clock_seconds() - t->last_saved >= FIRST_CHECKPOINT_S && !trainer_save(t, e))
        return false;
    if (is_finished && !measure_result(t, d, a, out, &is_finished, e))
        return false;
    if (!is_finished && out->end != TRAIN_DEADLINE)
        out->end = TRAIN_STOPPED;
    return is_finished || trainer_save(t, e);
}

bool train_run(const struct train_options *o, const struct dataset *d, struct model *m, const struct kernels *k,
               struct pool *pool, struct arena *a, struct train_result *out, struct error *e)
{
    struct trainer t = {.o = o, .m = m, .k = k, .pool = pool};
    *out = (struct train_result){0};
    bool ok = trainer_open(&t, d, a, e) && run(&t, d, a, out, e);
    if (ok) {
        bool is_over = out->end == TRAIN_DONE || out->end == TRAIN_PATIENCE;
        out->best_weights = t.s.best;
        out->last_weights = m->params.ema;
        out->best_epoch = t.s.best_epoch;
        out->rows = t.s.rows;
        out->n_rows = t.s.n_rows;
        out->epochs = t.epochs;
        out->jobs_left = is_over ? 0 : trainer_jobs_left(&t);
        out->seconds = t.seconds_before + clock_seconds() - t.job_started;
        out->images_per_second = median_speed(&t.s);
        out->jobs = t.s.jobs;
    }
    trainer_close(&t);
    return ok;
}
