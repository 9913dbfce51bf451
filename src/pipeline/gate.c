#include "core/log.h"
#include "pipeline/publish_model.h"

/* 0.8 - 0.7 is a little more than 0.1 in binary; a drop of exactly what is allowed passes. */
#define ROUNDING 1e-9

bool gate_check(const struct job *j, const struct trained *t, struct error *e)
{
    const struct config *c = j->config;
    double now = t->best.map50;
    if (!(now >= c->min_map50))
        return fail(
            e, ERR_GATE,
            "not published: mAP50 %.4f is below min-map50 %.4f; add labelled images, train longer or lower min-map50",
            now, c->min_map50);
    const struct json *before = json_get(json_get(j->latest, "metrics"), "map50");
    if (json_kind(before) != JSON_NUMBER)
        return true;
    double drop = json_number(before, 0) - now;
    if (!(drop <= c->max_map50_drop + ROUNDING))
        return fail(
            e, ERR_GATE,
            "not published: mAP50 %.4f is %.4f below that of the latest version %s, more than max-map50-drop %.4f", now,
            drop, json_string(json_get(j->latest, "version"), "?"), c->max_map50_drop);
    log_info("gate: mAP50 %.4f, %+.4f against the latest version %s", now, now - json_number(before, 0),
             json_string(json_get(j->latest, "version"), "?"));
    return true;
}
