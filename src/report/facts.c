#include "report/facts.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define DASH "\u2013"

double fact_number(const struct json *object, const char *key)
{
    return json_number(json_get(object, key), NAN);
}

const char *fact_string(const struct json *object, const char *key)
{
    return json_string(json_get(object, key), "");
}

const struct json *facts_previous(const struct report *r)
{
    const char *mine = r->version ? r->version : fact_string(r->manifest, "version");
    if (!r->previous || strcmp(mine, fact_string(r->previous, "version")) == 0)
        return NULL;
    return r->previous;
}

bool facts_other_dataset(const struct report *r)
{
    const char *a = fact_string(json_get(r->manifest, "dataset"), "checksum");
    const char *b = fact_string(json_get(facts_previous(r), "dataset"), "checksum");
    return !r->is_same_photos && a[0] && b[0] && strcmp(a, b) != 0;
}

bool facts_measured(const struct report *r, struct str_buf *out)
{
    static const struct {
        const char *key, *words;
    } others[] = {{"classic", "by the classic rule of YOLOv8 8.3"},
                  {"coco", "by COCO's tool"},
                  {"square", "strict on square input, as model.onnx takes it"}};
    const struct json *m = json_get(r->manifest, "metrics");
    if (!fact_string(m, "rule")[0])
        return false;
    str_buf_printf(out, "Measured by the strict rule on rectangular input; precision and recall at confidence %.3f. mAP50 and "
                        "mAP50-95",
                   fact_number(m, "confidence"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char map50[FACT_TEXT], map50_95[FACT_TEXT];
        fact_score(fact_number(json_get(m, others[i].key), "map50"), map50);
        fact_score(fact_number(json_get(m, others[i].key), "map50_95"), map50_95);
        str_buf_printf(out, "%s %s: %s and %s", i ? ";" : "", others[i].words, map50, map50_95);
    }
    str_buf_addc(out, '.');
    return true;
}

static double class_map50(const struct json *manifest, const char *name)
{
    const struct json *list = json_get(json_get(manifest, "metrics"), "per_class");
    for (size_t i = 0; i < json_len(list); i++)
        if (strcmp(fact_string(json_at(list, i), "name"), name) == 0)
            return fact_number(json_at(list, i), "map50");
    return NAN;
}

static const struct json *classes_of(const struct report *r)
{
    return json_get(json_get(r->manifest, "metrics"), "per_class");
}

size_t facts_n_classes(const struct report *r)
{
    return json_len(classes_of(r));
}

struct class_fact facts_class(const struct report *r, size_t i)
{
    const struct json *c = json_at(classes_of(r), i);
    const char *name = fact_string(c, "name");
    return (struct class_fact){name, fact_number(c, "boxes"), fact_number(c, "map50"), fact_number(c, "map50_95"),
                               class_map50(facts_previous(r), name)};
}

size_t facts_n_files(const struct report *r)
{
    return json_len(json_get(r->manifest, "artifacts"));
}

struct file_fact facts_file(const struct report *r, size_t i)
{
    const struct json *f = json_at(json_get(r->manifest, "artifacts"), i);
    struct file_fact out = {.name = fact_string(f, "name"), .sha256 = fact_string(f, "sha256")};
    fact_size(fact_number(f, "size"), out.size);
    return out;
}

/* The epoch whose figures stand for the run when nothing was published. */
static const struct epoch_row *telling_epoch(const struct report *r)
{
    const struct epoch_row *found = NULL;
    for (int i = 0; i < r->n_epochs; i++) {
        if (!r->epochs[i].has_metrics)
            continue;
        found = &r->epochs[i];
        if (found->epoch == r->best_epoch)
            break;
    }
    return found;
}

void facts_metrics(const struct report *r, struct metric_fact m[FACT_METRICS])
{
    static const struct {
        const char *label, *key, *meaning;
    } names[FACT_METRICS] = {
        {"mAP50", "map50", "mean average precision, a box counts from an overlap (IoU) of 0.50"},
        {"mAP50-95", "map50_95", "mean average precision over overlaps from 0.50 to 0.95"},
        {"Precision", "precision", "share of the predicted boxes that are right, at the threshold of the best F1"},
        {"Recall", "recall", "share of the labelled boxes that are found, at the threshold of the best F1"},
    };
    const struct json *now = json_get(r->manifest, "metrics"), *before = json_get(facts_previous(r), "metrics");
    const struct epoch_row *row = json_len(now) ? NULL : telling_epoch(r);
    float of_row[FACT_METRICS] = {0};
    if (row) {
        of_row[FACT_MAP50] = row->map50;
        of_row[FACT_MAP50_95] = row->map50_95;
        of_row[FACT_PRECISION] = row->precision;
        of_row[FACT_RECALL] = row->recall;
    }
    for (int i = 0; i < FACT_METRICS; i++)
        m[i] = (struct metric_fact){names[i].label, names[i].meaning,
                                    row ? (double)of_row[i] : fact_number(now, names[i].key),
                                    fact_number(before, names[i].key)};
}

void fact_score(double x, char out[FACT_TEXT])
{
    if (isfinite(x))
        snprintf(out, FACT_TEXT, "%.3f", x);
    else
        snprintf(out, FACT_TEXT, DASH);
}

const char *fact_arrow(double change)
{
    return change >= 0.0005 ? "\u25B2" : change <= -0.0005 ? "\u25BC" : "";
}

void fact_change(double change, char out[FACT_TEXT])
{
    if (!isfinite(change))
        snprintf(out, FACT_TEXT, DASH);
    else if (!fact_arrow(change)[0])
        snprintf(out, FACT_TEXT, "\u00B10.000");
    else
        snprintf(out, FACT_TEXT, "%s%.3f", change > 0 ? "+" : "\u2212", fabs(change));
}

void fact_size(double bytes, char out[FACT_TEXT])
{
    if (!isfinite(bytes) || bytes < 0)
        snprintf(out, FACT_TEXT, DASH);
    else if (bytes < 1000)
        snprintf(out, FACT_TEXT, "%.0f B", bytes);
    else if (bytes < 999500)
        snprintf(out, FACT_TEXT, "%.1f kB", bytes / 1e3);
    else if (bytes < 999.5e6)
        snprintf(out, FACT_TEXT, "%.1f MB", bytes / 1e6);
    else
        snprintf(out, FACT_TEXT, "%.2f GB", bytes / 1e9);
}

void fact_count(double n, char out[FACT_TEXT])
{
    if (!isfinite(n) || fabs(n) >= 1e15) {
        snprintf(out, FACT_TEXT, DASH);
        return;
    }
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%.0f", n);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        /* A narrow no-break space keeps the groups of one number on one line. */
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0)
            at += (size_t)snprintf(out + at, FACT_TEXT - at, "\u202F");
        out[at++] = digits[i];
    }
    out[at] = 0;
}

void fact_duration(double seconds, char out[FACT_TEXT])
{
    if (isfinite(seconds) && seconds >= 0) {
        char text[32];
        clock_format_duration(seconds, text);
        snprintf(out, FACT_TEXT, "%s", text);
    } else {
        snprintf(out, FACT_TEXT, DASH);
    }
}

void fact_plain(double x, char out[FACT_TEXT])
{
    if (isfinite(x))
        snprintf(out, FACT_TEXT, "%.6g", x);
    else
        snprintf(out, FACT_TEXT, DASH);
}

void fact_value(const struct json *v, struct str_buf *out)
{
    char text[FACT_TEXT];
    switch (json_kind(v)) {
    case JSON_STRING:
        str_buf_adds(out, json_string(v, ""));
        break;
    case JSON_NUMBER:
        fact_plain(json_number(v, NAN), text);
        str_buf_adds(out, text);
        break;
    default:
        if (v)
            json_write(v, false, out);
    }
}

void fact_transfer(const struct report *r, char out[FACT_TEXT])
{
    const struct json *t = json_get(json_get(r->manifest, "training"), "initial_weights");
    double taken = fact_number(t, "taken"), cut = fact_number(t, "cut"), fresh = fact_number(t, "fresh");
    out[0] = 0;
    if (isfinite(taken) && isfinite(cut) && isfinite(fresh))
        snprintf(out, FACT_TEXT, cut > 0 ? "%.0f tensors taken, %.0f fresh, %.0f cut" : "%.0f tensors taken, %.0f fresh", taken, fresh, cut);
}

const char *fact_icon(const char *status)
{
    static const struct {
        const char *status, *icon;
    } icons[] = {
        {"published", "\u2705"}, {"skipped", "\u23ED\uFE0F"}, {"checkpointed", "\u23F8\uFE0F"},
        {"rejected", "\u26D4"},  {"planned", "\U0001F4DD"},   {"failed", "\u274C"},
        {"pulled", "\u2B07\uFE0F"}, {"current", "\u2705"},      {"kept", "\u26A0\uFE0F"},
    };
    for (size_t i = 0; status && i < sizeof icons / sizeof icons[0]; i++)
        if (strcmp(icons[i].status, status) == 0)
            return icons[i].icon;
    return "";
}
