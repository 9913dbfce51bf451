#include "report/outcome.h"

#include <math.h>
#include <string.h>

#include "report/facts.h"

#define DOT " \u00B7 "

struct rows {
    struct outcome_row *row;
    int n;
    struct arena *a;
};

static void add(struct rows *t, const char *label, enum outcome_kind kind, bool is_on_page, const char *text)
{
    if (!text || !text[0])
        return;
    if (t->n == OUTCOME_ROWS)
        BUG("too many rows");
    t->row[t->n++] = (struct outcome_row){label, text, kind, is_on_page};
}

/* "a", then "a · b": joins what is known. */
static const char *join(struct rows *t, const char *text, const char *more)
{
    if (!more[0])
        return text;
    return text[0] ? arena_printf(t->a, "%s" DOT "%s", text, more) : more;
}

static const char *count_of(struct rows *t, double n, const char *word, const char *words)
{
    char text[FACT_TEXT];
    if (!isfinite(n))
        return "";
    fact_count(n, text);
    return arena_printf(t->a, "%s %s", text, n > 0.5 && n < 1.5 ? word : words);
}

static const char *score_text(struct rows *t, const struct metric_fact *m, bool is_compared)
{
    char now[FACT_TEXT], before[FACT_TEXT], change[FACT_TEXT];
    if (!isfinite(m->value) && !isfinite(m->previous))
        return "";
    fact_score(m->value, now);
    if (!is_compared || !isfinite(m->previous))
        return arena_strdup(t->a, now);
    fact_score(m->previous, before);
    fact_change(m->value - m->previous, change);
    const char *arrow = fact_arrow(m->value - m->previous);
    return arena_printf(t->a, "%s (before %s, %s%s%s)", now, before, arrow, arrow[0] ? " " : "", change);
}

static void add_scores(struct rows *t, const struct report *r)
{
    struct metric_fact m[FACT_METRICS];
    const struct json *previous = facts_previous(r);
    facts_metrics(r, m);
    bool is_known = false;
    for (int i = 0; i < FACT_METRICS; i++) {
        is_known |= isfinite(m[i].value);
        if (isfinite(m[i].value) || r->manifest)
            add(t, m[i].label, OUTCOME_TEXT, true, score_text(t, &m[i], previous != NULL));
    }
    if (is_known && previous)
        add(t, "Compared with", OUTCOME_CODE, false, fact_string(previous, "version"));
}

static void add_dataset(struct rows *t, const struct report *r)
{
    const struct json *d = json_get(r->manifest, "dataset");
    if (!json_len(d))
        return;
    const char *text = count_of(t, fact_number(d, "images"), "image", "images");
    text = join(t, text, count_of(t, fact_number(d, "train"), "to train", "to train"));
    text = join(t, text, count_of(t, fact_number(d, "val"), "held back", "held back"));
    text = join(t, text, count_of(t, fact_number(d, "boxes"), "box", "boxes"));
    text = join(t, text, count_of(t, (double)json_len(json_get(d, "classes")), "class", "classes"));
    add(t, "Dataset", OUTCOME_TEXT, true, text);
}

static void add_epochs(struct rows *t, const struct report *r)
{
    double done = fact_number(json_get(r->manifest, "training"), "epochs");
    if (!isfinite(done) && (r->n_epochs > 0 || r->epochs_planned > 0))
        done = r->n_epochs > 0 ? r->epochs[r->n_epochs - 1].epoch : 0;
    if (!isfinite(done))
        return;
    double best = r->best_epoch > 0 ? r->best_epoch : fact_number(json_get(r->manifest, "training"), "best_epoch");
    const char *text = r->epochs_planned >= done ? arena_printf(t->a, "%.0f of %d", done, r->epochs_planned)
                                                 : arena_printf(t->a, "%.0f", done);
    if (best > 0)
        text = arena_printf(t->a, "%s (best: %.0f)", text, best);
    add(t, "Epochs", OUTCOME_TEXT, false, text);
}

static void add_time(struct rows *t, const struct report *r)
{
    const struct json *training = json_get(r->manifest, "training");
    char text[FACT_TEXT], budget[FACT_TEXT];
    double seconds = fact_number(training, "seconds"), speed = fact_number(training, "images_per_second"), sum = 0;
    for (int i = 0; i < r->n_epochs; i++)
        sum += r->epochs[i].seconds;
    if (!isfinite(seconds) && sum > 0)
        seconds = sum;
    if (isfinite(seconds)) {
        fact_duration(seconds, text);
        const char *all = arena_strdup(t->a, text);
        if (isfinite(speed))
            all = join(t, all, arena_printf(t->a, "%.1f images/s", speed));
        add(t, "Training time", OUTCOME_TEXT, false, all);
    }
    double jobs = isfinite(fact_number(training, "jobs")) ? fact_number(training, "jobs") : r->n_jobs;
    if (jobs > 0)
        add(t, "Jobs so far", OUTCOME_TEXT, false,
            r->n_jobs_left > 0 ? arena_printf(t->a, "%.0f, about %d more", jobs, r->n_jobs_left) : arena_printf(t->a, "%.0f", jobs));
    if (r->seconds_used > 0 && r->seconds_budget > 0) {
        fact_duration(r->seconds_used, text);
        fact_duration(r->seconds_budget, budget);
        add(t, "This job", OUTCOME_TEXT, false, arena_printf(t->a, "%s of %s used", text, budget));
    }
}

static void add_machine(struct rows *t, const struct report *r)
{
    const struct json *training = json_get(r->manifest, "training");
    const char *text = join(t, count_of(t, fact_number(training, "threads"), "thread", "threads"), fact_string(training, "cpu"));
    const char *kernels = fact_string(training, "kernels");
    if (kernels[0])
        text = join(t, text, arena_printf(t->a, "%s kernels", kernels));
    add(t, "Machine", OUTCOME_TEXT, false, text);
}

int outcome_rows(const struct report *r, struct arena *a, struct outcome_row rows[OUTCOME_ROWS])
{
    struct rows t = {rows, 0, a};
    char transfer[FACT_TEXT];
    const char *status = r->status && r->status[0] ? r->status : "unknown";
    bool has_model = r->model_url && r->model_url[0];

    add(&t, "Outcome", OUTCOME_STRONG, true, status);
    if (!r->passed)
        add(&t, "Version", OUTCOME_CODE, true, r->version);
    add(&t, "Model", OUTCOME_CODE, false, r->model_url);
    if (!has_model)
        add(&t, "Store", OUTCOME_CODE, false, r->store_url);
    if (r->passed) /* one epoch's figures would only be taken for something, and nobody will ever see that version */
        add(&t, "Passed", OUTCOME_TEXT, false, r->passed[0] ? r->passed : "nothing yet");
    else
        add_scores(&t, r);
    add_dataset(&t, r);
    if (r->n_dataset_warnings > 0)
        add(&t, "Dataset warnings", OUTCOME_TEXT, true, arena_printf(a, "\u26A0\uFE0F %d: the log names them", r->n_dataset_warnings));
    add_epochs(&t, r);
    add_time(&t, r);
    add(&t, "Parent", OUTCOME_CODE, false, fact_string(r->manifest, "parent"));
    fact_transfer(r, transfer);
    add(&t, "Initial weights", OUTCOME_TEXT, false, arena_strdup(a, transfer));
    add_machine(&t, r);
    add(&t, "Commit", OUTCOME_CODE, false, arena_printf(a, "%.12s", fact_string(json_get(r->manifest, "source"), "commit")));
    add(&t, "Next step", OUTCOME_PROSE, false, r->next);
    add(&t, "Go on at", OUTCOME_LINK, false, r->next_url);
    return t.n;
}
