#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/curves.h"
#include "report/escape.h"
#include "report/facts.h"
#include "report/outcome.h"
#include "report/photos.h"
#include "report/style.h"

#define MAX_BYTES (6u << 20)
#define AFTER_PHOTOS (128u << 10) /* room for what follows the photos, whose rows are all bounded */
#define MAX_CLASSES 300
#define MAX_ARTIFACTS 50
#define MAX_URL 500

static void add_text(struct str_buf *out, const char *text)
{
    escape_html(out, text, ESCAPE_TEXT);
}

/* Our sentences have `code` in them. */
static void add_prose(struct str_buf *out, const char *text)
{
    struct arena a = {0};
    const char *open, *end;
    while ((open = strchr(text, '`')) && (end = strchr(open + 1, '`'))) {
        add_text(out, arena_strndup(&a, text, (size_t)(open - text)));
        str_buf_adds(out, "<code>");
        add_text(out, arena_strndup(&a, open + 1, (size_t)(end - open - 1)));
        str_buf_adds(out, "</code>");
        text = end + 1;
    }
    add_text(out, text);
    arena_free(&a);
}

static const char *status_of(const struct report *r)
{
    return r->status && r->status[0] ? r->status : "unknown";
}

static void add_head(const struct report *r, struct str_buf *out)
{
    /* The policy is the second wall behind the escaping: a browser runs and fetches nothing from this page. */
    str_buf_adds(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>retrain: ");
    add_text(out, status_of(r));
    if (r->version) {
        str_buf_addc(out, ' ');
        add_text(out, r->version);
    }
    str_buf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", page_style);
    str_buf_adds(out, "<h1>Training report <span class=\"pill ");
    add_text(out, status_of(r));
    str_buf_adds(out, "\">");
    add_text(out, status_of(r));
    str_buf_adds(out, "</span></h1>\n");
    if (r->headline && r->headline[0]) {
        str_buf_adds(out, "<p class=\"lead\">");
        add_prose(out, r->headline);
        str_buf_adds(out, "</p>\n");
    }
    if (r->version && r->version[0]) {
        str_buf_adds(out, "<p class=\"soft\">Version <code>");
        add_text(out, r->version);
        str_buf_adds(out, "</code></p>\n");
    }
}

static void add_change(struct str_buf *out, double change)
{
    char text[FACT_TEXT];
    fact_change(change, text);
    const char *arrow = fact_arrow(change);
    str_buf_printf(out, "<span class=\"%s\">%s%s%s</span>", !arrow[0] ? "soft" : change > 0 ? "up" : "down", arrow,
                   arrow[0] ? " " : "", text);
}

static void add_tiles(const struct report *r, struct str_buf *out)
{
    struct metric_fact m[FACT_METRICS];
    facts_metrics(r, m);
    bool is_known = false;
    for (int i = 0; i < FACT_METRICS; i++)
        is_known = is_known || isfinite(m[i].value);
    if (!is_known)
        return;
    str_buf_adds(out, "<div class=\"tiles\">\n");
    for (int i = 0; i < FACT_METRICS; i++) {
        char text[FACT_TEXT];
        fact_score(m[i].value, text);
        str_buf_printf(out, "<div class=\"card tile\" title=\"%s\"><div class=\"label\">%s</div>"
                            "<div class=\"value\">%s</div><div class=\"change\">",
                       m[i].meaning, m[i].label, text);
        if (facts_previous(r) && isfinite(m[i].previous)) {
            add_change(out, m[i].value - m[i].previous);
            fact_score(m[i].previous, text);
            str_buf_printf(out, " <span class=\"soft\">from %s</span>", text);
        } else {
            str_buf_adds(out, "<span class=\"soft\">on held-back photos</span>");
        }
        str_buf_adds(out, "</div></div>\n");
    }
    str_buf_adds(out, "</div>\n<div class=\"note\" style=\"margin-top:10px\">");
    facts_measured(r, out);
    str_buf_adds(out, "</div>\n");
    if (facts_other_dataset(r))
        str_buf_adds(out, "<p class=\"note\" style=\"margin-top:10px\">The previous model was measured on another "
                          "state of the dataset, so the change mixes both.</p>\n");
    if (r->notes && r->notes[0]) {
        str_buf_adds(out, "<p class=\"note\" style=\"margin-top:10px\">");
        add_text(out, r->notes);
        str_buf_adds(out, "</p>\n");
    }
}

static void add_fact(struct str_buf *out, const char *label, const char *text, bool is_code)
{
    if (!text || !text[0])
        return;
    str_buf_printf(out, "<tr><th>%s</th><td>%s", label, is_code ? "<code>" : "");
    add_text(out, text);
    str_buf_printf(out, "%s</td></tr>\n", is_code ? "</code>" : "");
}

/* A link only for https: any other scheme (javascript:, data:, s3:) is shown as text. */
static void add_url(struct str_buf *out, const char *label, const char *url)
{
    if (!url || strncmp(url, "https://", 8) != 0 || strlen(url) > MAX_URL) {
        add_fact(out, label, url, true);
        return;
    }
    str_buf_printf(out, "<tr><th>%s</th><td><a rel=\"noopener noreferrer\" href=\"", label);
    escape_html(out, url, MAX_URL);
    str_buf_adds(out, "\">");
    escape_html(out, url, MAX_URL);
    str_buf_adds(out, "</a></td></tr>\n");
}

static void add_number(struct str_buf *out, const char *label, double x, const char *unit)
{
    char text[FACT_TEXT];
    if (!isfinite(x))
        return;
    fact_count(x, text);
    str_buf_printf(out, "<tr><th>%s</th><td>%s%s</td></tr>\n", label, text, unit);
}

/* Rows of the summary's table that have no other place here, and what only somebody who asks wants to know. */
static void add_run(const struct report *r, struct arena *a, struct str_buf *out)
{
    const struct json *m = r->manifest, *source = json_get(m, "source");
    struct outcome_row rows[OUTCOME_ROWS];
    int n = outcome_rows(r, a, rows);
    str_buf_adds(out, "<div class=\"card\"><table class=\"facts\">\n");
    for (int i = 0; i < n; i++) {
        if (rows[i].is_on_page)
            continue;
        if (rows[i].kind == OUTCOME_CODE || rows[i].kind == OUTCOME_LINK) {
            add_url(out, rows[i].label, rows[i].text);
        } else {
            str_buf_printf(out, "<tr><th>%s</th><td>", rows[i].label);
            add_prose(out, rows[i].text);
            str_buf_adds(out, "</td></tr>\n");
        }
    }
    add_fact(out, "Made at", fact_string(m, "created_at"), false);
    add_fact(out, "Repository", fact_string(source, "repository"), false);
    add_fact(out, "Branch or tag", fact_string(source, "ref"), false);
    add_url(out, "Job", fact_string(source, "run_url"));
    str_buf_adds(out, "</table></div>\n");
}

struct recipe_rows {
    struct str_buf *out;
    int n;
};

static bool add_recipe_row(const char *key, const struct json *v, void *ctx)
{
    struct recipe_rows *rows = ctx;
    struct str_buf value = STR_BUF(4096);
    fact_value(v, &value);
    str_buf_adds(rows->out, "<tr><th>");
    escape_html(rows->out, key, ESCAPE_NAME);
    str_buf_adds(rows->out, "</th><td>");
    escape_html(rows->out, str_buf_text(&value), 200);
    str_buf_adds(rows->out, "</td></tr>\n");
    str_buf_free(&value);
    return ++rows->n < 100;
}

static void add_data(const struct report *r, struct str_buf *out)
{
    const struct json *d = json_get(r->manifest, "dataset"), *recipe = json_get(r->manifest, "recipe");
    if (!json_len(d) && !json_len(recipe) && r->n_dataset_warnings == 0)
        return;
    str_buf_adds(out, "<div class=\"card\"><table class=\"facts\">\n");
    add_number(out, "Photos", fact_number(d, "images"), "");
    add_number(out, "to train on", fact_number(d, "train"), "");
    add_number(out, "held back", fact_number(d, "val"), "");
    add_number(out, "Boxes", fact_number(d, "boxes"), "");
    if (json_get(d, "classes"))
        add_number(out, "Classes", (double)json_len(json_get(d, "classes")), "");
    if (r->n_dataset_warnings > 0)
        add_number(out, "Dataset warnings", r->n_dataset_warnings, "");
    add_fact(out, "Dataset checksum", fact_string(d, "checksum"), true);
    str_buf_adds(out, "</table>\n");
    if (json_len(recipe)) {
        str_buf_adds(out, "<details><summary>Recipe</summary><table class=\"facts\">\n");
        json_each(recipe, add_recipe_row, &(struct recipe_rows){out, 0});
        str_buf_adds(out, "</table></details>\n");
    }
    str_buf_adds(out, "</div>\n");
}

static void add_curves(const struct report *r, struct arena *a, struct str_buf *out)
{
    int n = r->n_epochs, n_measured = 0;
    if (n < 2)
        return;
    float *values = ARENA_NEW(a, float, mem_mul((size_t)n, 7));
    float *box = values, *cls = box + n, *dfl = cls + n, *map50 = dfl + n, *map50_95 = map50 + n;
    float *precision = map50_95 + n, *recall = precision + n;
    int *epochs = ARENA_NEW(a, int, mem_mul((size_t)n, 2)), *measured = epochs + n;
    for (int i = 0; i < n; i++) {
        const struct epoch_row *e = &r->epochs[i];
        epochs[i] = e->epoch;
        box[i] = e->box_loss;
        cls[i] = e->cls_loss;
        dfl[i] = e->dfl_loss;
        if (!e->has_metrics)
            continue;
        measured[n_measured] = e->epoch;
        map50[n_measured] = e->map50;
        map50_95[n_measured] = e->map50_95;
        precision[n_measured] = e->precision;
        recall[n_measured++] = e->recall;
    }
    struct curve losses[] = {{"box", box}, {"class", cls}, {"distribution", dfl}};
    struct curve scores[] = {{"mAP50", map50}, {"mAP50-95", map50_95}, {"precision", precision}, {"recall", recall}};
    struct chart loss = {"Training loss", "loss, mean of the epoch", losses, 3, epochs, n, 0, 0};
    struct chart score = {"On held-back photos", "score", scores, 4, measured, n_measured, 1, r->best_epoch};
    str_buf_adds(out, "<h2>Curves</h2>\n<div class=\"two\">\n");
    curves_svg(&loss, out);
    curves_svg(&score, out);
    str_buf_adds(out, "</div>\n");
}

/* A bar from 0 to 1 with a tick where the previous model was. */
static void add_bar(struct str_buf *out, double value, double before)
{
    str_buf_adds(out, "<td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                      "<rect class=\"track\" width=\"100\" height=\"10\"/>");
    if (isfinite(value))
        str_buf_printf(out, "<rect class=\"fill\" width=\"%.1f\" height=\"10\"/>", 100 * fmin(fmax(value, 0), 1));
    if (isfinite(before))
        str_buf_printf(out, "<line class=\"before\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"10\"/>",
                       100 * fmin(fmax(before, 0), 1), 100 * fmin(fmax(before, 0), 1));
    str_buf_adds(out, "</svg></td>");
}

static void add_classes(const struct report *r, struct str_buf *out)
{
    const struct json *previous = facts_previous(r);
    size_t n = facts_n_classes(r);
    if (n == 0)
        return;
    str_buf_printf(out,
                   "<h2>Classes</h2>\n<div class=\"card scroll\"><table><thead><tr><th>Class</th><th class=\"n\">Boxes"
                   "</th><th class=\"n\">mAP50</th><th>%s</th><th class=\"n\">mAP50-95</th>%s</tr></thead><tbody>\n",
                   previous ? "tick: previous model" : "", previous ? "<th class=\"n\">mAP50 change</th>" : "");
    for (size_t i = 0; i < n && i < MAX_CLASSES; i++) {
        struct class_fact c = facts_class(r, i);
        char boxes[FACT_TEXT], now[FACT_TEXT], strict[FACT_TEXT];
        fact_count(c.boxes, boxes);
        fact_score(c.map50, now);
        fact_score(c.map50_95, strict);
        str_buf_adds(out, "<tr><td class=\"name\">");
        escape_html(out, c.name, ESCAPE_NAME);
        str_buf_printf(out, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td>", boxes, now);
        add_bar(out, c.map50, c.previous);
        str_buf_printf(out, "<td class=\"n\">%s</td>", strict);
        if (previous) {
            str_buf_adds(out, "<td class=\"n\">");
            add_change(out, c.map50 - c.previous);
            str_buf_adds(out, "</td>");
        }
        str_buf_adds(out, "</tr>\n");
    }
    str_buf_adds(out, "</tbody></table></div>\n");
    if (n > MAX_CLASSES)
        str_buf_printf(out, "<p class=\"note\">%d of %zu classes are shown.</p>\n", MAX_CLASSES, n);
}

static void add_photos(const struct report *r, struct arena *a, size_t max_bytes, struct str_buf *out)
{
    if (r->n_photos < 1)
        return;
    const struct json *classes = json_get(json_get(r->manifest, "dataset"), "classes");
    int n_classes = (int)json_len(classes);
    const char **names = ARENA_NEW(a, const char *, (size_t)n_classes + 1);
    for (int i = 0; i < n_classes; i++)
        names[i] = json_string(json_at(classes, (size_t)i), "");
    str_buf_adds(out, "<h2>Held-back photos</h2>\n"
                      "<input type=\"checkbox\" id=\"show-got\" checked> <label class=\"switch\" for=\"show-got\">"
                      "found by the model (solid)</label>"
                      "<input type=\"checkbox\" id=\"show-want\" checked> <label class=\"switch\" for=\"show-want\">"
                      "labelled (dashed)</label>\n<div class=\"photos\">\n");
    int shown = photos_html(r->photos, r->n_photos, n_classes ? names : NULL, n_classes, max_bytes, out);
    str_buf_adds(out, "</div>\n");
    if (shown < r->n_photos)
        str_buf_printf(out, "<p class=\"note\">%d of %d photos are shown.</p>\n", shown, r->n_photos);
}

static void add_artifacts(const struct report *r, struct str_buf *out)
{
    size_t n = facts_n_files(r);
    if (n == 0)
        return;
    str_buf_adds(out, "<h2>Files</h2>\n<div class=\"card scroll\"><table><thead><tr><th>File</th><th class=\"n\">Size"
                      "</th><th>SHA-256</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < n && i < MAX_ARTIFACTS; i++) {
        struct file_fact f = facts_file(r, i);
        str_buf_adds(out, "<tr><td class=\"name\">");
        escape_html(out, f.name, ESCAPE_NAME);
        str_buf_printf(out, "</td><td class=\"n\">%s</td><td><code>", f.size);
        escape_html(out, f.sha256, ESCAPE_NAME);
        str_buf_adds(out, "</code></td></tr>\n");
    }
    str_buf_adds(out, "</tbody></table></div>\n");
}

bool report_html(const struct report *r, struct str_buf *out, struct error *e)
{
    size_t start = out->n;
    struct arena scratch = {0};
    add_head(r, out);
    add_tiles(r, out);
    add_curves(r, &scratch, out);
    add_classes(r, out);
    /* The page's ceiling, or the buffer's where that is lower, bounds what the photos may take. */
    size_t ceiling = out->ceiling - start < MAX_BYTES ? out->ceiling : start + MAX_BYTES;
    add_photos(r, &scratch, ceiling > AFTER_PHOTOS ? ceiling - AFTER_PHOTOS : 0, out);
    str_buf_adds(out, "<h2>Run and data</h2>\n<div class=\"two\">\n");
    add_run(r, &scratch, out);
    add_data(r, out);
    str_buf_adds(out, "</div>\n");
    add_artifacts(r, out);
    str_buf_adds(out, "<footer>Made by retrain. Scores are measured on photos that training never saw.</footer>\n"
                      "</main>\n</body>\n</html>\n");
    arena_free(&scratch);
    if (out->overflow || out->n - start > MAX_BYTES)
        return fail(e, ERR_INTERNAL, "report: the page is larger than %u MB", MAX_BYTES >> 20);
    return true;
}
