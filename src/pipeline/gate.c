#include "pipeline/gate.h"

#include <math.h>

#include "core/log.h"

/* 0.8 - 0.7 is a little more than 0.1 in binary; a drop of exactly what is allowed passes. */
#define ROUNDING 1e-9

bool gate_check(const struct config *c, double map50, const struct comparison *x, struct error *e)
{
    if (!(map50 >= c->min_map50))
        return fail(
            e, ERR_GATE,
            "not published: mAP50 %.4f is below min-map50 %.4f; add labelled images, train longer or lower min-map50",
            map50, c->min_map50);
    if (!x->n_classes)
        return true;
    double drop = x->before - x->now;
    if (!(drop <= c->max_map50_drop + ROUNDING))
        return fail(e, ERR_GATE,
                    "not published: mAP50 %.4f%s is %.4f below that of the latest version %s on the same images, more than "
                    "max-map50-drop %.4f",
                    x->now, x->is_partial ? " over the classes that both know" : "", drop, x->version, c->max_map50_drop);
    log_info("gate: mAP50 %.4f, %+.4f against the latest version %s on the same images", x->now, x->now - x->before, x->version);
    return true;
}

static struct json *comparison_json(const struct job *j, const struct comparison *x, const struct error *trouble)
{
    struct json *out = json_new_object();
    json_set(out, "version", json_new_string(x->version));
    if (x->n_classes) {
        json_set(out, "images", json_new_int(j->dataset.n_val));
        json_set(out, "classes", json_new_int(x->n_classes));
        json_set(out, "map50", json_new_number(x->before));
        json_set(out, "map50_95", json_new_number(x->before_50_95));
        json_set(out, "own_map50", json_new_number(x->now));
        json_set(out, "own_map50_95", json_new_number(x->now_50_95));
        json_set(out, "leakage", leakage_json(&x->leakage));
    } else {
        json_set(out, "reason", json_new_string(trouble->code ? trouble->message : "no class in common"));
    }
    return out;
}

bool gate_model(struct job *j, const struct trained *t, struct json *manifest, struct error *e)
{
    const struct config *c = j->config;
    struct comparison x;
    struct error trouble = {0};
    bool is_compared = compare_with_latest(j, t, manifest, &x, &trouble);
    if (trouble.code == ERR_STOPPED) {
        *e = trouble;
        return false;
    }
    if (x.version)
        json_set(manifest, "comparison", comparison_json(j, &x, &trouble));
    if (!is_compared && c->max_map50_drop < 1)
        return fail(e, trouble.code == ERR_NET ? ERR_NET : ERR_STORE,
                    "not published: max-map50-drop is %g, and the published model cannot be compared with: %s", c->max_map50_drop,
                    trouble.message);
    if (!is_compared) {
        log_warning("not compared with the published model: %s", trouble.message);
        x.text = arena_printf(j->arena, "Not compared with the published model: %s.", trouble.message);
    }
    const char *leak = leakage_text(&j->weights.leakage, "the initial weights", j->arena);
    j->notes = arena_printf(j->arena, "%s%s%s", x.text, *x.text && *leak ? " " : "", leak);
    return gate_check(c, json_number(json_get(json_get(manifest, "metrics"), "map50"), NAN), &x, e);
}
