/* Published versions, newest first, then refused ones and the last moves of latest.json: tables for people; with --log-format
 * json one manifest of a published version per line, and with --output-json all of it in a file. */
#include <stdio.h>
#include <string.h>

#include "command/commands.h"
#include "command/show.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "store/rejected.h"

#define LIMIT_LIST_BYTES (256u << 20)
#define COMMIT_SHOWN 10
#define MOVES_SHOWN 5

/* What a store has to tell. */
struct inventory {
    struct json *published, *rejected, *moves; /* owned */
    const char *latest;                        /* "" = nothing */
};

static const char *version_of(const struct json *m)
{
    return json_string(json_get(m, "version"), "?");
}

static double size_of(const struct json *m, const char *name)
{
    const struct json *files = json_get(m, "artifacts");
    double sum = 0;
    for (size_t i = 0; i < json_len(files); i++) {
        const struct json *f = json_at(files, i);
        if (!name || !strcmp(json_string(json_get(f, "name"), ""), name))
            sum += json_number(json_get(f, "size"), 0);
    }
    return sum;
}

/* "-" where the manifest says nothing, right-aligned. */
static void print_number(const struct json *v, int width, int digits)
{
    if (json_kind(v) == JSON_NUMBER)
        printf("  %*.*f", width, digits, json_number(v, 0));
    else
        printf("  %*s", width, "-");
}

static void print_created(const struct json *m)
{
    char text[CLOCK_RFC3339] = "?";
    time_t t;
    if (clock_parse_rfc3339(str_of(json_string(json_get(m, "created_at"), "")), &t)) {
        clock_rfc3339(t, text); /* in UTC, to the minute */
        text[10] = ' ';
    }
    printf("  %-16.16s", text);
}

static void print_commit(const struct json *m)
{
    const char *commit = json_string(json_get(json_get(m, "source"), "commit"), "");
    bool is_hash = strlen(commit) == 40 && strspn(commit, "0123456789abcdef") == 40;
    if (is_hash) {
        printf("  %.*s", COMMIT_SHOWN, commit);
    } else if (*commit) {
        printf("  ");
        show_text(commit);
    }
    putchar('\n');
}

static void print_row(const struct json *m, int width, char mark)
{
    const struct json *metrics = json_get(m, "metrics");
    double model = size_of(m, "model.onnx");
    printf("%c %-*s", mark, width, version_of(m));
    print_created(m);
    print_number(json_get(metrics, "map50"), 6, 4);
    print_number(json_get(metrics, "map50_95"), 8, 4);
    print_number(json_get(json_get(m, "dataset"), "images"), 6, 0);
    if (model > 0)
        printf("  %7.1f MB", model / 1e6);
    else
        printf("  %10s", "-");
    printf("  %7.1f MB", size_of(m, NULL) / 1e6);
    print_commit(m);
}

static int widest(const struct json *all, int width)
{
    for (size_t i = 0; i < json_len(all); i++) {
        int n = (int)strlen(version_of(json_at(all, i)));
        width = n > width ? n : width;
    }
    return width;
}

static void print_table(const struct inventory *x)
{
    int width = widest(x->rejected, widest(x->published, (int)strlen("version")));
    printf("  %-*s  %-16s  %6s  %8s  %6s  %10s  %10s  %s\n", width, "version", "created (UTC)", "mAP50", "mAP50-95", "images",
           "model.onnx", "all files", "commit");
    for (size_t i = 0; i < json_len(x->published); i++) {
        const struct json *m = json_at(x->published, i);
        print_row(m, width, !strcmp(x->latest, version_of(m)) ? '*' : ' ');
    }
    for (size_t i = 0; i < json_len(x->rejected); i++)
        print_row(json_at(x->rejected, i), width, 'x');
    fflush(stdout);
}

static bool write_file(const struct inventory *x, const char *path, struct error *e)
{
    struct arena a = {0};
    struct str_buf text = STR_BUF(LIMIT_LIST_BYTES);
    struct json *root = json_new_object();
    json_set(root, "latest", json_new_string(*x->latest ? x->latest : NULL));
    json_set(root, "versions", json_copy(x->published));
    json_set(root, "rejected", json_copy(x->rejected));
    json_set(root, "history", json_copy(x->moves));
    json_write(root, true, &text);
    bool ok = fs_mkdirs(fs_dir(&a, path), e) && fs_write_atomic(path, str_buf_view(&text), e);
    json_free(root);
    str_buf_free(&text);
    arena_free(&a);
    return ok || fail_in(e, "output-json");
}

static void say_moves(const struct json *moves)
{
    size_t n = json_len(moves);
    for (size_t i = n > MOVES_SHOWN ? n - MOVES_SHOWN : 0; i < n; i++) {
        const struct json *m = json_at(moves, i);
        const char *by = json_string(json_get(m, "by"), "");
        log_info("latest.json %s: %s to %s (%s%s%s)", json_string(json_get(m, "time"), "?"), json_string(json_get(m, "from"), "nothing"),
                 json_string(json_get(m, "to"), "?"), json_string(json_get(m, "why"), "?"), *by ? ", " : "", by);
    }
}

/* What the table does not say in itself. */
static void say_sum(const struct job *j, const struct inventory *x)
{
    size_t n = json_len(x->published), n_rejected = json_len(x->rejected);
    double sum = 0;
    bool has_latest = false;
    for (size_t i = 0; i < n; i++) {
        sum += size_of(json_at(x->published, i), NULL);
        has_latest |= !strcmp(x->latest, version_of(json_at(x->published, i)));
    }
    if (!n)
        log_info("nothing is published in %s yet", store_url(j->store));
    else if (has_latest)
        log_info("%zu version%s, %.1f MB; * is the latest: what latest.json names and applications get", n, n == 1 ? "" : "s",
                 sum / 1e6);
    else if (*x->latest)
        log_warning("latest.json names %s, which is not published: run `retrain rollback VERSION` with one of these", x->latest);
    else
        log_warning("no latest.json names one of these, so applications get none: run `retrain rollback VERSION`");
    if (n_rejected)
        log_info("x: refused by the quality gate, below rejected/; the newest %d are kept", REJECTED_KEPT);
}

static bool take_stock(struct job *j, struct inventory *x, struct error *e)
{
    return job_open_store(j, e) && publish_list(j->store, &x->published, e) && rejected_list(j->store, &x->rejected, e) &&
           history_read(j->store, &x->moves, e);
}

bool cmd_list(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct inventory x = {0};
    bool ok = take_stock(j, &x, e), is_json = !strcmp(c->log_format, "json");
    x.latest = json_string(json_get(j->latest, "version"), "");
    for (size_t i = 0; ok && is_json && i < json_len(x.published); i++)
        show_json_line(json_at(x.published, i));
    if (ok && !is_json && (json_len(x.published) || json_len(x.rejected)))
        print_table(&x);
    if (ok) {
        say_sum(j, &x);
        say_moves(x.moves);
    }
    ok = ok && (!*c->output_json_path || write_file(&x, c->output_json_path, e));
    json_free(x.published);
    json_free(x.rejected);
    json_free(x.moves);
    return ok;
}
