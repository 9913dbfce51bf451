/* `epochs: auto`: how many epochs fit into the budget is not known before some were seen. So some batches are trained and a
 * validation is run, then all of it is forgotten: training begins with the number chosen, which sets its schedule, and is bit
 * for bit the training that the same number by hand gives. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/stop.h"
#include "trainer.h"

#define REHEARSAL_BATCHES 3
#define REHEARSAL_S 6.0
#define SLOWER 1.1 /* than in the rehearsal: machines get warm, and are shared */
#define FEW_EPOCHS 30
#define EPOCHS_WITHOUT_BUDGET 100

struct memory_of_start {
    struct train_state state;
    real *data, *ema;
};

static real *copy_of(const real *from, size_t n)
{
    real *to = mem_alloc(mem_mul(n, sizeof *to));
    memcpy(to, from, n * sizeof *to);
    return to;
}

static void remember(const struct trainer *t, struct memory_of_start *m)
{
    const struct param_set *p = &t->m->params;
    *m = (struct memory_of_start){t->s, copy_of(p->data, p->n_total), copy_of(p->ema, p->n_total)};
}

static void forget_rehearsal(struct trainer *t, struct memory_of_start *m)
{
    struct param_set *p = &t->m->params;
    memcpy(p->data, m->data, p->n_total * sizeof(real));
    memcpy(p->ema, m->ema, p->n_total * sizeof(real));
    memset(p->grad, 0, p->n_trainable * sizeof(real));
    memset(p->moment1, 0, p->n_trainable * sizeof(real));
    memset(p->moment2, 0, p->n_trainable * sizeof(real));
    t->s = m->state;
    t->batches_here = 0;
    t->batch_seconds_here = t->image_seconds_here = 0;
    mem_free(m->data);
    mem_free(m->ema);
}

/* The first batch touches all memory for the first time, so it does not count. */
static bool rehearse(struct trainer *t, double *epoch_seconds, struct error *e)
{
    struct metrics ignored[MAP_RULES];
    struct arena a = {0};
    int n = 0, batches = t->schedule.batches_per_epoch;
    double first = 0;
    bool ok = true;

    while (ok && n < batches && !stop_requested() && (n <= REHEARSAL_BATCHES || t->batch_seconds_here < REHEARSAL_S)) {
        ok = trainer_step(t, e);
        first = n++ == 0 ? t->batch_seconds_here : first;
    }
    bool is_whole = ok && trainer_measure(t, t->m->params.ema, &a, ignored);
    arena_free(&a);
    if (ok && (!is_whole || stop_requested()))
        ok = fail(e, ERR_STOPPED, "stopped by a signal before training began; nothing was written");
    double each = n > 1 ? (t->batch_seconds_here - first) / (n - 1) : t->batch_seconds_here;
    *epoch_seconds = each * batches + t->budget->validate_seconds;
    return ok;
}

/* Two digits are as much as a rehearsal knows. */
static int round_down(double epochs)
{
    int n = epochs < TRAIN_MOST_AUTO_EPOCHS ? (int)epochs : TRAIN_MOST_AUTO_EPOCHS;
    return n < 1 ? 1 : n >= 100 ? n / 10 * 10 : n;
}

bool trainer_choose_epochs(struct trainer *t, struct error *e)
{
    struct memory_of_start start;
    const struct budget *b = t->budget;
    double epoch_seconds;
    char each[32], left_text[32];

    if (b->end <= 0) {
        trainer_set_epochs(t, EPOCHS_WITHOUT_BUDGET);
        return true;
    }
    remember(t, &start);
    bool ok = rehearse(t, &epoch_seconds, e);
    forget_rehearsal(t, &start);
    if (!ok)
        return false;
    double left = budget_left(b, clock_seconds(), budget_reserve_to_finish(b));
    int epochs = round_down(left / (SLOWER * epoch_seconds));
    trainer_set_epochs(t, epochs);
    clock_format_duration(epoch_seconds, each);
    clock_format_duration(left > 0 ? left : 0, left_text);
    log_info("epochs auto: one takes about %s and %s are left for training: %d epoch%s", each, left_text, epochs, epochs == 1 ? "" : "s");
    if (epochs < FEW_EPOCHS)
        log_warning("so few epochs seldom make a useful detector: raise time-budget, or set epochs, which may take several jobs");
    return true;
}
