#include <stdio.h>
#include <string.h>

#include "report/escape.h"
#include "report/facts.h"

/* A summary is glanced at; the HTML page has the rest. */
#define MAX_CLASSES 40
#define MAX_ARTIFACTS 20

/* `text` in a code span when nothing in it could end the span or the table cell; escaped text otherwise. */
static void add_code(struct str_buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+=?&%,@ ";
    size_t n = strlen(text);
    if (n > 0 && n <= 300 && strspn(text, plain) == n)
        str_buf_printf(out, "`%s`", text);
    else
        escape_markdown(out, text, ESCAPE_TEXT);
}

static void add_row_code(struct str_buf *out, const char *label, const char *text)
{
    if (!text || !text[0])
        return;
    str_buf_printf(out, "| %s | ", label);
    add_code(out, text);
    str_buf_adds(out, " |\n");
}

/* Only what can be nothing but a web address; else as text. */
static void add_row_link(struct str_buf *out, const char *label, const char *url)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=?&%~";
    size_t n = url ? strlen(url) : 0;
    if (n > 0 && n <= 500 && strspn(url, plain) == n && (!strncmp(url, "https://", 8) || !strncmp(url, "http://", 7)))
        str_buf_printf(out, "| %s | [%s](%s) |\n", label, url, url);
    else
        add_row_code(out, label, url);
}

static void add_outcome(const struct report *r, struct str_buf *out)
{
    const struct json *source = json_get(r->manifest, "source");
    str_buf_adds(out, "| Outcome | |\n| :-- | :-- |\n");
    str_buf_adds(out, "| Status | **");
    escape_markdown(out, r->status ? r->status : "unknown", ESCAPE_NAME);
    str_buf_adds(out, "** |\n");
    add_row_code(out, "Version", r->version);
    add_row_code(out, "Store", r->store_url);
    add_row_code(out, "Model", r->model_url);
    add_row_link(out, "Go on at", r->next_url);
    char commit[13];
    snprintf(commit, sizeof commit, "%.12s", fact_string(source, "commit"));
    add_row_code(out, "Commit", commit);
    str_buf_addc(out, '\n');
}

static void add_dataset(const struct report *r, struct str_buf *out)
{
    const struct json *d = json_get(r->manifest, "dataset");
    if (!json_len(d))
        return;
    static const struct {
        const char *key, *word;
    } counts[] = {{"images", "images"}, {"boxes", "boxes"}, {"train", "to train"}, {"val", "held back"}};
    str_buf_adds(out, "**Dataset** ");
    const char *separator = "";
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        double n = fact_number(d, counts[i].key);
        if (!isfinite(n))
            continue;
        char text[FACT_TEXT];
        fact_count(n, text);
        str_buf_printf(out, "%s%s %s", separator, text, counts[i].word);
        separator = " \u00B7 ";
    }
    size_t n_classes = json_len(json_get(d, "classes"));
    str_buf_printf(out, "%s%zu class%s", separator, n_classes, n_classes == 1 ? "" : "es");
    if (r->n_dataset_warnings > 0)
        str_buf_printf(out, " \u00B7 \u26A0\uFE0F %d warning%s", r->n_dataset_warnings,
                       r->n_dataset_warnings == 1 ? "" : "s");
    str_buf_adds(out, "\n\n");
}

static void add_change(struct str_buf *out, double now, double before)
{
    char text[FACT_TEXT];
    double change = now - before;
    fact_change(change, text);
    const char *arrow = fact_arrow(change);
    str_buf_printf(out, "%s%s%s", arrow, arrow[0] ? " " : "", text);
}

static void add_metrics(const struct report *r, struct str_buf *out)
{
    struct metric_fact m[FACT_METRICS];
    facts_metrics(r, m);
    bool is_known = false;
    for (int i = 0; i < FACT_METRICS; i++)
        is_known = is_known || isfinite(m[i].value);
    if (!is_known)
        return;

    bool compare = facts_previous(r) != NULL;
    str_buf_adds(out, compare ? "| Metric | Now | Previous | Change |\n| :-- | --: | --: | --: |\n"
                              : "| Metric | Value |\n| :-- | --: |\n");
    for (int i = 0; i < FACT_METRICS; i++) {
        char now[FACT_TEXT], before[FACT_TEXT];
        fact_score(m[i].value, now);
        fact_score(m[i].previous, before);
        if (!compare) {
            str_buf_printf(out, "| %s | %s |\n", m[i].label, now);
            continue;
        }
        str_buf_printf(out, "| %s | **%s** | %s | ", m[i].label, now, before);
        add_change(out, m[i].value, m[i].previous);
        str_buf_adds(out, " |\n");
    }
    str_buf_addc(out, '\n');
    if (facts_measured(r, out))
        str_buf_adds(out, "\n\n");
    if (facts_other_dataset(r))
        str_buf_adds(out, "The previous model was measured on another state of the dataset.\n\n");
    if (r->notes && r->notes[0]) {
        escape_markdown(out, r->notes, ESCAPE_TEXT);
        str_buf_adds(out, "\n\n");
    }
}

static void add_classes(const struct report *r, struct str_buf *out)
{
    const struct json *list = json_get(json_get(r->manifest, "metrics"), "per_class");
    const struct json *previous = facts_previous(r);
    size_t n = json_len(list);
    if (n == 0)
        return;
    str_buf_printf(out, "| Class | Boxes | mAP50 | mAP50-95 |%s\n| :-- | --: | --: | --: |%s\n",
                   previous ? " Change |" : "", previous ? " --: |" : "");
    for (size_t i = 0; i < n && i < MAX_CLASSES; i++) {
        const struct json *c = json_at(list, i);
        char boxes[FACT_TEXT], map50[FACT_TEXT], map50_95[FACT_TEXT];
        fact_count(fact_number(c, "boxes"), boxes);
        fact_score(fact_number(c, "map50"), map50);
        fact_score(fact_number(c, "map50_95"), map50_95);
        str_buf_adds(out, "| ");
        escape_markdown(out, fact_string(c, "name"), ESCAPE_NAME);
        str_buf_printf(out, " | %s | %s | %s |", boxes, map50, map50_95);
        if (previous) {
            str_buf_addc(out, ' ');
            add_change(out, fact_number(c, "map50"), facts_class_map50(previous, fact_string(c, "name")));
            str_buf_adds(out, " |");
        }
        str_buf_addc(out, '\n');
    }
    str_buf_addc(out, '\n');
    if (n > MAX_CLASSES)
        str_buf_printf(out, "%d of %zu classes are shown; the report has all.\n\n", MAX_CLASSES, n);
}

static void add_training(const struct report *r, struct str_buf *out)
{
    const struct json *t = json_get(r->manifest, "training");
    double epochs = fact_number(t, "epochs");
    if (!isfinite(epochs) && r->n_epochs > 0)
        epochs = r->epochs[r->n_epochs - 1].epoch;
    if (!isfinite(epochs))
        return;
    char text[FACT_TEXT];
    fact_count(epochs, text);
    str_buf_printf(out, "**Training** %s epoch%s", text, epochs < 1.5 ? "" : "s");
    if (r->best_epoch > 0)
        str_buf_printf(out, " (best: %d)", r->best_epoch);
    if (isfinite(fact_number(t, "seconds"))) {
        fact_duration(fact_number(t, "seconds"), text);
        str_buf_printf(out, " in %s", text);
    }
    if (isfinite(fact_number(t, "images_per_second")))
        str_buf_printf(out, " \u00B7 %.1f images/s", fact_number(t, "images_per_second"));
    if (fact_number(t, "jobs") > 1)
        str_buf_printf(out, " \u00B7 over %.0f jobs", fact_number(t, "jobs"));
    fact_transfer(r, text);
    if (text[0])
        str_buf_printf(out, " \u00B7 initial weights: %s", text);
    double threads = fact_number(t, "threads");
    if (isfinite(threads))
        str_buf_printf(out, " \u00B7 %.0f thread%s", threads, threads > 1 ? "s" : "");
    if (fact_string(t, "cpu")[0]) {
        str_buf_adds(out, " on ");
        escape_markdown(out, fact_string(t, "cpu"), ESCAPE_NAME);
    }
    if (fact_string(t, "kernels")[0]) {
        str_buf_adds(out, " \u00B7 kernels ");
        escape_markdown(out, fact_string(t, "kernels"), ESCAPE_NAME);
    }
    str_buf_adds(out, "\n\n");
}

static void add_artifacts(const struct report *r, struct str_buf *out)
{
    const struct json *list = json_get(r->manifest, "artifacts");
    size_t n = json_len(list);
    if (n == 0)
        return;
    str_buf_adds(out, "| Artifact | Size | SHA-256 |\n| :-- | --: | :-- |\n");
    for (size_t i = 0; i < n && i < MAX_ARTIFACTS; i++) {
        const struct json *a = json_at(list, i);
        char size[FACT_TEXT], sum[13];
        fact_size(fact_number(a, "size"), size);
        snprintf(sum, sizeof sum, "%.12s", fact_string(a, "sha256"));
        str_buf_adds(out, "| ");
        add_code(out, fact_string(a, "name"));
        str_buf_printf(out, " | %s | ", size);
        add_code(out, sum);
        str_buf_adds(out, " |\n");
    }
    str_buf_addc(out, '\n');
}

void report_markdown(const struct report *r, struct str_buf *out)
{
    const char *icon = fact_icon(r->status);
    str_buf_printf(out, "### %s%sretrain: ", icon, icon[0] ? " " : "");
    escape_markdown(out, r->status ? r->status : "unknown", ESCAPE_NAME);
    str_buf_adds(out, "\n\n");
    if (r->headline && r->headline[0]) {
        escape_markdown(out, r->headline, ESCAPE_TEXT);
        str_buf_adds(out, "\n\n");
    }
    add_outcome(r, out);
    add_metrics(r, out);
    add_classes(r, out);
    add_dataset(r, out);
    add_training(r, out);
    add_artifacts(r, out);
}
