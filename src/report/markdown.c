/* The summary of a job: read in GitHub's job page or as a file. One table that says it all; the rest is folded. */
#include <stdio.h>
#include <string.h>

#include "report/escape.h"
#include "report/facts.h"
#include "report/outcome.h"

/* A summary is glanced at; the HTML page has the rest. */
#define MAX_CLASSES 40
#define MAX_ARTIFACTS 20
#define MAX_CODE 300
#define MAX_URL 500

/* Can it stand in a code span, ending neither that nor the table's cell? */
static bool is_plain(const char *text, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+=?&%,@ ";
    return n > 0 && n <= MAX_CODE && strspn(text, plain) >= n;
}

static void add_code(struct str_buf *out, const char *text)
{
    if (is_plain(text, strlen(text)))
        str_buf_printf(out, "`%s`", text);
    else
        escape_markdown(out, text, ESCAPE_TEXT);
}

/* Only what can be nothing but a web address; else as text. */
static void add_link(struct str_buf *out, const char *url)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=?&%~";
    size_t n = strlen(url);
    if (n <= MAX_URL && strspn(url, plain) == n && (!strncmp(url, "https://", 8) || !strncmp(url, "http://", 7)))
        str_buf_printf(out, "[%s](%s)", url, url);
    else
        add_code(out, url);
}

static void add_part(struct str_buf *out, const char *text, size_t n)
{
    struct arena a = {0};
    escape_markdown(out, arena_strndup(&a, text, n), ESCAPE_TEXT);
    arena_free(&a);
}

/* Our own sentences have `code` in them, and names from outside: a pair of backticks around anything odd is only text. */
static void add_prose(struct str_buf *out, const char *text)
{
    const char *open, *end;
    while ((open = strchr(text, '`')) && (end = strchr(open + 1, '`'))) {
        size_t n = (size_t)(end - open - 1);
        if (!is_plain(open + 1, n)) {
            add_part(out, text, (size_t)(open + 1 - text));
            text = open + 1;
            continue;
        }
        add_part(out, text, (size_t)(open - text));
        str_buf_printf(out, "`%.*s`", (int)n, open + 1);
        text = end + 1;
    }
    escape_markdown(out, text, ESCAPE_TEXT);
}

static void add_table(const struct report *r, struct str_buf *out)
{
    struct arena a = {0};
    struct outcome_row rows[OUTCOME_ROWS];
    int n = outcome_rows(r, &a, rows);
    for (int i = 0; i < n; i++) {
        str_buf_printf(out, "| %s | ", rows[i].label);
        switch (rows[i].kind) {
        case OUTCOME_TEXT: escape_markdown(out, rows[i].text, ESCAPE_TEXT); break;
        case OUTCOME_CODE: add_code(out, rows[i].text); break;
        case OUTCOME_LINK: add_link(out, rows[i].text); break;
        case OUTCOME_PROSE: add_prose(out, rows[i].text); break;
        case OUTCOME_STRONG:
            str_buf_adds(out, "**");
            escape_markdown(out, rows[i].text, ESCAPE_NAME);
            str_buf_adds(out, "**");
            break;
        }
        str_buf_adds(out, i ? " |\n" : " |\n| :-- | :-- |\n");
    }
    str_buf_addc(out, '\n');
    arena_free(&a);
}

/* GitHub wants the blank line before Markdown inside of HTML. */
static void begin_folded(struct str_buf *out, size_t n, const char *word, const char *words)
{
    str_buf_printf(out, "<details><summary>%zu %s</summary>\n\n", n, n == 1 ? word : words);
}

static void end_folded(struct str_buf *out)
{
    str_buf_adds(out, "\n</details>\n\n");
}

static void add_change(struct str_buf *out, double now, double before)
{
    char text[FACT_TEXT];
    fact_change(now - before, text);
    const char *arrow = fact_arrow(now - before);
    str_buf_printf(out, "%s%s%s", arrow, arrow[0] ? " " : "", text);
}

static void add_classes(const struct report *r, struct str_buf *out)
{
    const struct json *previous = facts_previous(r);
    size_t n = facts_n_classes(r);
    if (n == 0 || r->passed)
        return;
    begin_folded(out, n, "class", "classes");
    str_buf_printf(out, "| Class | Boxes | mAP50 | mAP50-95 |%s\n| :-- | --: | --: | --: |%s\n",
                   previous ? " Change |" : "", previous ? " --: |" : "");
    for (size_t i = 0; i < n && i < MAX_CLASSES; i++) {
        struct class_fact c = facts_class(r, i);
        char boxes[FACT_TEXT], map50[FACT_TEXT], map50_95[FACT_TEXT];
        fact_count(c.boxes, boxes);
        fact_score(c.map50, map50);
        fact_score(c.map50_95, map50_95);
        str_buf_adds(out, "| ");
        escape_markdown(out, c.name, ESCAPE_NAME);
        str_buf_printf(out, " | %s | %s | %s |", boxes, map50, map50_95);
        if (previous) {
            str_buf_addc(out, ' ');
            add_change(out, c.map50, c.previous);
            str_buf_adds(out, " |");
        }
        str_buf_addc(out, '\n');
    }
    if (n > MAX_CLASSES)
        str_buf_printf(out, "\n%d of %zu classes are shown; the report has all.\n", MAX_CLASSES, n);
    str_buf_addc(out, '\n');
    if (facts_measured(r, out))
        str_buf_addc(out, '\n');
    end_folded(out);
}

static void add_files(const struct report *r, struct str_buf *out)
{
    size_t n = facts_n_files(r);
    if (n == 0)
        return;
    begin_folded(out, n, "file", "files");
    str_buf_adds(out, "| File | Size | SHA-256 |\n| :-- | --: | :-- |\n");
    for (size_t i = 0; i < n && i < MAX_ARTIFACTS; i++) {
        struct file_fact f = facts_file(r, i);
        char sum[13];
        snprintf(sum, sizeof sum, "%.12s", f.sha256);
        str_buf_adds(out, "| ");
        add_code(out, f.name);
        str_buf_printf(out, " | %s | ", f.size);
        add_code(out, sum);
        str_buf_adds(out, " |\n");
    }
    end_folded(out);
}

void report_markdown(const struct report *r, struct str_buf *out)
{
    bool is_passed = r->passed && r->status && !strcmp(r->status, "planned");
    const char *icon = fact_icon(is_passed ? "published" : r->status);
    str_buf_printf(out, "### %s%sretrain: %s", icon, icon[0] ? " " : "", r->passed ? "smoke run, " : "");
    escape_markdown(out, r->status && r->status[0] ? r->status : "unknown", ESCAPE_NAME);
    str_buf_adds(out, "\n\n");
    if (r->headline && r->headline[0]) {
        add_prose(out, r->headline);
        str_buf_adds(out, "\n\n");
    }
    add_table(r, out);
    if (facts_other_dataset(r) && !r->passed)
        str_buf_adds(out, "The model before was measured on another state of the dataset, so the change mixes both.\n\n");
    if (r->notes && r->notes[0]) {
        escape_markdown(out, r->notes, ESCAPE_TEXT);
        str_buf_adds(out, "\n\n");
    }
    add_classes(r, out);
    add_files(r, out);
}
