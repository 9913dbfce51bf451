#include "pipeline/compare.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "pipeline/publish_model.h"

/* What is always allowed: a comparison of a few hundred photos takes seconds, and the budget's reserve covers them. */
#define ALWAYS_ALLOWED_SECONDS 30.0

static const struct json *class_named(const struct json *per_class, const char *name)
{
    for (size_t i = 0; i < json_len(per_class); i++)
        if (!strcmp(json_string(json_get(json_at(per_class, i), "name"), ""), name))
            return json_at(per_class, i);
    return NULL;
}

void compare_classes(const struct json *theirs, const struct json *ours, struct comparison *out)
{
    double sum[4] = {0};
    out->n_classes = 0;
    out->is_partial = json_len(theirs) != json_len(ours);
    for (size_t i = 0; i < json_len(ours); i++) {
        const struct json *mine = json_at(ours, i);
        const struct json *other = class_named(theirs, json_string(json_get(mine, "name"), ""));
        if (!other)
            out->is_partial = true;
        if (!other || json_number(json_get(mine, "boxes"), 0) <= 0)
            continue;
        sum[0] += json_number(json_get(other, "map50"), 0);
        sum[1] += json_number(json_get(other, "map50_95"), 0);
        sum[2] += json_number(json_get(mine, "map50"), 0);
        sum[3] += json_number(json_get(mine, "map50_95"), 0);
        out->n_classes++;
    }
    double n = out->n_classes ? out->n_classes : 1;
    out->before = sum[0] / n;
    out->before_50_95 = sum[1] / n;
    out->now = sum[2] / n;
    out->now_50_95 = sum[3] / n;
}

/* Another run may have published during ours. */
static bool refresh_latest(struct job *j, struct error *e)
{
    enum store_found found;
    struct json *latest = NULL;
    if (!publish_latest(j->store, &found, &latest, e))
        return false;
    json_free(j->latest);
    j->latest = latest;
    return true;
}

bool compare_has_time(int n_images, double images_per_second, double side_ratio, double left_s, struct error *e)
{
    double needs = images_per_second > 0 ? n_images / images_per_second * side_ratio * side_ratio : 0;
    char needed[32], rest[32];
    if (needs <= ALWAYS_ALLOWED_SECONDS || needs <= left_s)
        return true;
    clock_format_duration(needs, needed);
    clock_format_duration(left_s > 0 ? left_s : 0, rest);
    return fail(e, ERR_STORE, "running it on %d images would take some %s, and %s of the time budget are left", n_images, needed,
                rest);
}

/* The published manifest with the figures of today. */
static struct json *with_metrics(const struct json *manifest, const struct loaded *m, const struct metrics *r)
{
    struct json *out = json_copy(manifest);
    json_set(out, "metrics", manifest_metrics(r, m->class_names, m->n_classes));
    return out;
}

static bool measure_latest(struct job *j, const struct trained *t, struct json **measured, struct error *e)
{
    const char *path;
    struct loaded m = {0};
    struct metrics r;
    bool ok = model_fetch(j, j->latest, &path, e) && stage_load(j, path, 0, &m, e) &&
              compare_has_time(j->dataset.n_val, t->images_per_second, (double)m.image_size / j->config->image_size,
                               j->budget.end - clock_seconds(), e) &&
              stage_measure_held_back(j, &m, &r, e);
    if (ok)
        *measured = with_metrics(j->latest, &m, &r);
    stage_unload(&m);
    return ok;
}

static const char *describe(const struct job *j, const struct comparison *x)
{
    struct arena *a = j->arena;
    const char *leak = leakage_text(&x->leakage, "the published model", a);
    if (!x->n_classes)
        return arena_printf(a, "The published version %s knows no class that has boxes today: it is not compared with.", x->version);
    const char *what = arena_printf(a, "The published version %s, run again on today's %d held-back images, has mAP50 %.4f",
                                    x->version, j->dataset.n_val, x->before);
    if (x->is_partial)
        what = arena_printf(a, "%s over the %d class%s that both models know, and this one %.4f", what, x->n_classes,
                            x->n_classes == 1 ? "" : "es", x->now);
    return arena_printf(a, "%s.%s%s", what, *leak ? " " : "", leak);
}

bool compare_with_latest(struct job *j, const struct trained *t, const struct json *ours, struct comparison *out, struct error *e)
{
    struct json *measured = NULL;
    struct str ignored;
    *out = (struct comparison){.text = ""};
    if (!refresh_latest(j, e))
        return false;
    const char *version = json_string(json_get(j->latest, "version"), "");
    if (!j->latest || !strcmp(version, j->version.name))
        return true;
    out->version = arena_strdup(j->arena, version);
    if (!measure_latest(j, t, &measured, e))
        return fail_in(e, "version %s", out->version);
    leakage_check(j, j->latest, &ignored, &out->leakage);
    json_free(j->latest);
    j->latest = measured;
    compare_classes(json_get(json_get(measured, "metrics"), "per_class"), json_get(json_get(ours, "metrics"), "per_class"), out);
    j->is_compared = out->n_classes > 0;
    out->text = describe(j, out);
    log_info("%s", out->text);
    return true;
}
