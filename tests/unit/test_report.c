#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "report/facts.h"
#include "report/report.h"

/* Names that try to leave the place they are put in. */
static const char manifest_text[] =
    "{\"schema\":1,\"version\":\"3f9ac1d27b04-5be1c0aa\",\"created_at\":\"2026-11-21T08:15:30Z\","
    "\"dataset\":{\"checksum\":\"aa\",\"files\":9,\"images\":1200,\"boxes\":345,"
    "\"classes\":[\"<script>alert(1)</script>\",\"a|b`c\",\"::error::boo\\n# head\"],\"train\":1000,\"val\":200},"
    "\"recipe\":{\"image-size\":320,\"optimizer\":\"\\\"><img src=x>\"},"
    "\"metrics\":{\"map50\":0.843,\"map50_95\":0.5,\"precision\":null,\"recall\":0.75,\"rule\":\"strict\",\"confidence\":0.25,"
    "\"classic\":{\"map50\":0.851,\"map50_95\":0.52},\"square\":{\"map50\":0.83,\"map50_95\":null},\"per_class\":["
    "{\"name\":\"<script>alert(1)</script>\",\"map50\":0.9,\"map50_95\":0.6,\"boxes\":12},"
    "{\"name\":\"a|b`c\",\"map50\":0.8,\"map50_95\":0.4,\"boxes\":8},"
    "{\"name\":\"::error::boo\\n# head\",\"map50\":null,\"map50_95\":null,\"boxes\":0}]},"
    "\"training\":{\"epochs\":50,\"seconds\":754.2,\"images_per_second\":41.25,\"jobs\":2,\"threads\":4,"
    "\"cpu\":\"Some <b>CPU</b>\",\"kernels\":\"avx2\",\"engine\":1,"
    "\"initial_weights\":{\"taken\":261,\"cut\":30,\"fresh\":6,\"unused\":0}},"
    "\"artifacts\":[{\"name\":\"model.onnx\",\"key\":\"k\",\"sha256\":\"0123456789abcdef\",\"size\":12345678}],"
    "\"source\":{\"host\":\"github\",\"repository\":\"o/r\",\"commit\":\"0123456789abcdef0123\",\"ref\":\"refs/heads/<i>\","
    "\"run_url\":\"javascript:alert(1)\"},\"parent\":null}";

static const char previous_text[] =
    "{\"version\":\"111111111111-22222222\",\"dataset\":{\"checksum\":\"bb\"},"
    "\"metrics\":{\"map50\":0.812,\"map50_95\":0.5,\"precision\":0.7,\"recall\":0.8,"
    "\"per_class\":[{\"name\":\"a|b`c\",\"map50\":0.85}]}}";

static struct json *parse(const char *text)
{
    struct json *v = NULL;
    struct error e = {0};
    if (!json_parse(str_of(text), "test", &v, &e))
        fail_msg("%s", e.message);
    return v;
}

static bool has(const struct str_buf *b, const char *text)
{
    return strstr(str_buf_text(b), text) != NULL;
}

static void assert_well_formed(const char *html)
{
    /* Every tag that must be closed is, in order: enough of a parser for a page that we wrote ourselves. */
    static const char *const empty[] = {"meta", "rect", "line", "circle", "path", "image", "input", "i", "!doctype"};
    char stack[64][16];
    int depth = 0;
    for (const char *p = strchr(html, '<'); p; p = strchr(p + 1, '<')) {
        bool closes = p[1] == '/';
        char name[16] = "";
        size_t n = strcspn(p + 1 + closes, " >/\n");
        assert_true(n > 0 && n < sizeof name);
        memcpy(name, p + 1 + closes, n);
        const char *end = strchr(p, '>');
        assert_non_null(end);
        bool skip = end[-1] == '/';
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
            skip = skip || (strcmp(name, empty[i]) == 0 && strcmp(name, "i") != 0);
        if (skip)
            continue;
        if (!closes) {
            assert_true(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
        } else {
            assert_true(depth > 0);
            assert_string_equal(stack[--depth], name);
        }
    }
    assert_int_equal(depth, 0);
}

static void markdown_tells_the_outcome(void **state)
{
    (void)state;
    struct json *m = parse(manifest_text), *old = parse(previous_text);
    struct str_buf out = STR_BUF(900 << 10);
    struct report r = {.status = "published", .headline = "Published a better model.", .next = "fetch it with `retrain pull`; `a|b`",
                       .version = "3f9ac1d27b04-5be1c0aa", .store_url = "s3://bucket/p", .model_url = "s3://bucket/p/model.onnx",
                       .manifest = m, .previous = old, .best_epoch = 47, .epochs_planned = 100, .seconds_used = 61,
                       .seconds_budget = 3600, .n_dataset_warnings = 2};
    report_markdown(&r, &out);
    static const char table[] =
        "### \u2705 retrain: published\n\nPublished a better model.\n\n"
        "| Outcome | **published** |\n| :-- | :-- |\n"
        "| Version | `3f9ac1d27b04-5be1c0aa` |\n"
        "| Model | `s3://bucket/p/model.onnx` |\n"
        "| mAP50 | 0.843 (before 0.812, \u25B2 +0.031) |\n"
        "| mAP50-95 | 0.500 (before 0.500, \u00B10.000) |\n"
        "| Precision | \u2013 (before 0.700, \u2013) |\n"
        "| Recall | 0.750 (before 0.800, \u25BC \u22120.050) |\n"
        "| Compared with | `111111111111-22222222` |\n"
        "| Dataset | 1\u202F200 images \u00B7 1\u202F000 to train \u00B7 200 held back \u00B7 345 boxes \u00B7 3 classes |\n"
        "| Dataset warnings | \u26A0\uFE0F 2: the log names them |\n"
        "| Epochs | 50 of 100 (best: 47) |\n"
        "| Training time | 12m 34s \u00B7 41.2 images/s |\n"
        "| Jobs so far | 2 |\n"
        "| This job | 1m 01s of 1h 00m used |\n"
        "| Initial weights | 261 tensors taken, 6 fresh, 30 cut |\n"
        "| Machine | 4 threads \u00B7 Some &lt;b&gt;CPU&lt;/b&gt; \u00B7 avx2 kernels |\n"
        "| Commit | `0123456789ab` |\n"
        "| Next step | fetch it with `retrain pull`; \\`a\\|b\\` |\n\n"
        "The model before was measured on another state of the dataset, so the change mixes both.\n\n"
        "<details><summary>3 classes</summary>\n\n| Class | Boxes |";
    assert_true(str_starts(str_buf_view(&out), table));
    assert_true(has(&out, "at confidence 0.250. mAP50 and mAP50-95 by the classic rule of YOLOv8 8.3: 0.851 and 0.520;"));
    assert_true(has(&out, "as model.onnx takes it: 0.830 and \u2013."));
    str_buf_clear(&out);
    r.is_same_photos = true;
    r.notes = "Run again: <b>0.812</b>.";
    report_markdown(&r, &out);
    assert_false(has(&out, "another state of the dataset"));
    assert_true(has(&out, "Run again:"));
    assert_true(has(&out, "| a\\|b\\`c | 8 | 0.800 | 0.400 | \u25BC \u22120.050 |"));
    assert_true(has(&out, "| `model.onnx` | 12.3 MB | `0123456789ab` |"));
    assert_false(has(&out, "<script"));
    assert_false(has(&out, "::error"));
    assert_false(has(&out, "\n# head"));
    assert_false(has(&out, "<b>"));
    assert_false(has(&out, "nan"));
    str_buf_free(&out);
    json_free(m);
    json_free(old);
}

static void a_link_is_a_web_address(void **state)
{
    (void)state;
    static const struct {
        const char *url, *row; /* NULL = there is none */
    } cases[] = {
        {"https://github.com/o/r/actions/runs/1", "| Go on at | [https://github.com/o/r/actions/runs/1](https://github.com/o/r/actions/runs/1) |"},
        {"javascript:alert", "| Go on at | `javascript:alert` |"},
        {"https://x/)[b](https://y", "| Go on at | https"},
        {"https://x/a b|c\n# d", "| Go on at | https"},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str_buf out = STR_BUF(1 << 16);
        struct report r = {.status = "checkpointed", .next_url = cases[i].url};
        report_markdown(&r, &out);
        assert_true(cases[i].row ? has(&out, cases[i].row) : !has(&out, "Go on at"));
        assert_int_equal(has(&out, "1](http"), i == 0);
        assert_false(has(&out, "[b]("));
        assert_false(has(&out, "\n# d"));
        str_buf_free(&out);
    }
}

static void a_model_is_not_compared_with_itself(void **state)
{
    (void)state;
    struct json *m = parse(manifest_text);
    struct str_buf out = STR_BUF(900 << 10);
    struct report r = {.status = "skipped", .version = "3f9ac1d27b04-5be1c0aa", .manifest = m, .previous = m};
    report_markdown(&r, &out);
    assert_false(has(&out, "before"));
    assert_true(has(&out, "| mAP50 | 0.843 |"));
    str_buf_free(&out);
    json_free(m);
}

static void rows_stay_rows(void **state)
{
    (void)state;
    struct json *m = parse(manifest_text), *old = parse(previous_text);
    struct str_buf out = STR_BUF(900 << 10);
    struct report r = {.status = "a|b\nc", .headline = "x\n\n# y | <img>", .version = "v|w`", .store_url = "s\n|",
                       .manifest = m, .previous = old};
    report_markdown(&r, &out);
    /* In a table every line has as many unescaped bars as the table's first line. */
    int want = 0;
    struct str rest = str_buf_view(&out), line;
    while (str_cut(&rest, '\n', &line)) {
        int bars = 0;
        for (size_t i = 0; i < line.n; i++)
            bars += line.p[i] == '|' && (i == 0 || line.p[i - 1] != '\\');
        if (!str_starts(line, "|")) {
            assert_int_equal(bars, 0);
            want = 0;
            continue;
        }
        if (want == 0)
            want = bars;
        assert_int_equal(bars, want);
    }
    assert_false(has(&out, "\n# y"));
    str_buf_free(&out);
    json_free(m);
    json_free(old);
}

static void nothing_known_is_fine(void **state)
{
    (void)state;
    struct error e = {0};
    static const char *const manifests[] = {NULL, "{}", "[]", "{\"metrics\":[],\"dataset\":1,\"training\":\"x\",\"artifacts\":{}}",
                                            "{\"metrics\":{\"per_class\":[null,1,{}]},\"artifacts\":[7],\"recipe\":{\"a\":[1]}}"};
    for (size_t i = 0; i < sizeof manifests / sizeof manifests[0]; i++) {
        struct json *m = manifests[i] ? parse(manifests[i]) : NULL;
        struct str_buf md = STR_BUF(900 << 10), html = STR_BUF(6 << 20);
        struct report r = {.status = i ? "failed" : NULL, .manifest = m, .previous = m};
        report_markdown(&r, &md);
        assert_true(report_html(&r, &html, &e));
        assert_true(md.n > 0);
        assert_false(has(&html, "nan"));
        assert_well_formed(str_buf_text(&html));
        str_buf_free(&md);
        str_buf_free(&html);
        json_free(m);
    }
}

static struct epoch_row *make_epochs(int n)
{
    struct epoch_row *rows = mem_alloc(mem_mul((size_t)n, sizeof *rows));
    for (int i = 0; i < n; i++) {
        float t = (float)i / (float)n;
        rows[i] = (struct epoch_row){i + 1, 2.9f - 2 * t + 0.05f * (float)((i * 7) % 5), 3.5f * expf(-3 * t) + 0.4f,
                                     1.9f - t, 0.01f, i % 2 == 1, 0.9f * (1 - expf(-4 * t)), 0.6f * (1 - expf(-3 * t)),
                                     0.85f * (1 - expf(-5 * t)), 0.8f * (1 - expf(-4 * t)), 12.5, 41.0f};
    }
    return rows;
}

static void csv_leaves_unknown_cells_empty(void **state)
{
    (void)state;
    struct epoch_row rows[2] = {{1, 1.5f, 2, 3, 0.01f, false, 9, 9, 9, 9, 2, 50},
                                {2, NAN, INFINITY, 0.25f, 1e-5f, true, 0.5f, 0.25f, NAN, 1, 2.5, 40}};
    struct str_buf out = STR_BUF(4096);
    report_csv(rows, 2, &out);
    assert_string_equal(str_buf_text(&out),
                        "epoch,box_loss,cls_loss,dfl_loss,learning_rate,map50,map50_95,precision,recall,seconds,"
                        "images_per_second\n1,1.5,2,3,0.01,,,,,2,50\n2,,,0.25,1e-05,0.5,0.25,,1,2.5,40\n");
    str_buf_free(&out);
}

static void page_is_whole_and_harmless(void **state)
{
    (void)state;
    struct json *m = parse(manifest_text), *old = parse(previous_text);
    struct error e = {0};
    struct epoch_row *rows = make_epochs(700);
    rows[3].box_loss = NAN;
    rows[5].map50 = INFINITY;
    struct report r = {.status = "published", .headline = "</title><script>", .version = "3f9ac1d27b04-5be1c0aa",
                       .store_url = "s3://b/p", .model_url = "https://x/\"onclick=", .manifest = m, .previous = old,
                       .epochs = rows, .n_epochs = 700, .best_epoch = 650, .epochs_planned = 700,
                       .next = "run `a <b>` or `"};
    struct str_buf out = STR_BUF(6 << 20);
    assert_true(report_html(&r, &out, &e));
    assert_well_formed(str_buf_text(&out));
    assert_true(has(&out, "Content-Security-Policy"));
    assert_true(has(&out, "default-src 'none'"));
    assert_false(has(&out, "<script"));
    assert_false(has(&out, "<img"));
    assert_false(has(&out, "href=\"javascript"));
    assert_false(has(&out, "\"onclick"));
    assert_true(has(&out, "best: epoch 650"));
    assert_true(has(&out, "<tr><th>Next step</th><td>run <code>a &lt;b&gt;</code> or `</td></tr>"));
    assert_true(has(&out, "<tr><th>Epochs</th><td>50 of 700 (best: 650)</td></tr>"));
    assert_false(has(&out, ">nan") || has(&out, " nan") || has(&out, "inf "));
    for (const char *p = strstr(str_buf_text(&out), "http"); p; p = strstr(p + 1, "http"))
        assert_true(strncmp(p - 6, "href=\"", 6) == 0 || p[-1] == '>' || strncmp(p, "http-equiv", 10) == 0);
    str_buf_free(&out);
    mem_free(rows);
    json_free(m);
    json_free(old);
}

static void photos_fit_the_page(void **state)
{
    (void)state;
    char dir[] = "/tmp/retrain-report-XXXXXX", path[64], missing[64];
    struct error e = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.png", dir);
    snprintf(missing, sizeof missing, "%s/none.png", dir);
    struct image im;
    image_init(&im, 640, 480); /* noise: as large as a JPEG of that size gets */
    uint32_t x = 1;
    for (size_t i = 0; i < (size_t)im.w * im.h * 3; i++)
        im.px[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    assert_true(image_save(path, &im, &e));
    image_free(&im);

    struct detection d = {{10, 20, 300, 400}, 0.87f, 0};
    struct label l = {7, 0.5f, 0.5f, 0.2f, 0.2f};
    struct report_photo photos[20];
    for (int i = 0; i < 20; i++)
        photos[i] = (struct report_photo){i == 1 ? missing : path, "dir/<a>.png", &d, 1, &l, 1};
    struct json *m = parse(manifest_text);
    struct report r = {.status = "published", .manifest = m, .photos = photos, .n_photos = 20};
    static const size_t ceilings[] = {6u << 20, 700u << 10};
    for (int i = 0; i < 2; i++) {
        struct str_buf out = STR_BUF(ceilings[i]);
        assert_true(report_html(&r, &out, &e));
        assert_true(out.n <= ceilings[i]);
        assert_true(has(&out, "data:image/jpeg;base64,/9j/"));
        assert_true(has(&out, "&lt;script&gt;alert(1)&lt;/scr"));
        assert_true(has(&out, "class 7 (label)"));
        assert_true(has(&out, "of 20 photos are shown"));
        assert_false(has(&out, "<a>"));
        assert_well_formed(str_buf_text(&out));
        str_buf_free(&out);
    }
    struct str_buf tiny = STR_BUF(2000);
    assert_false(report_html(&r, &tiny, &e));
    str_buf_free(&tiny);
    unlink(path);
    rmdir(dir);
    json_free(m);
}

static void figures_read_well(void **state)
{
    (void)state;
    char t[FACT_TEXT];
    fact_size(999, t);
    assert_string_equal(t, "999 B");
    fact_size(12345678, t);
    assert_string_equal(t, "12.3 MB");
    fact_size(-1, t);
    assert_string_equal(t, "\u2013");
    fact_count(1234567, t);
    assert_string_equal(t, "1\u202F234\u202F567");
    fact_count(0, t);
    assert_string_equal(t, "0");
    fact_count(NAN, t);
    assert_string_equal(t, "\u2013");
    fact_change(-0.0004, t);
    assert_string_equal(t, "\u00B10.000");
    fact_change(-0.0006, t);
    assert_string_equal(t, "\u22120.001");
    fact_score(INFINITY, t);
    assert_string_equal(t, "\u2013");
}

static void csv_reads_back(void **state)
{
    (void)state;
    static const struct epoch_row rows[] = {
        {.epoch = 1, .box_loss = 1.5f, .cls_loss = 2.25f, .dfl_loss = 0.5f, .learning_rate = 0.001f, .seconds = 12.5, .images_per_second = 40},
        {.epoch = 2, .box_loss = 1, .has_metrics = true, .map50 = 0.5f, .map50_95 = 0.25f, .precision = 1, .recall = 0.125f, .seconds = 1},
    };
    struct str_buf text = STR_BUF(1 << 16), again = STR_BUF(1 << 16);
    struct arena a = {0};
    struct epoch_row *read;
    int n;
    report_csv(rows, 2, &text);
    assert_true(report_csv_read(str_buf_view(&text), &a, &read, &n));
    report_csv(read, n, &again);
    assert_int_equal(n, 2);
    assert_string_equal(str_buf_text(&again), str_buf_text(&text));
    assert_true(read[1].has_metrics && !read[0].has_metrics);
    static const char *const damaged[] = {"h\n1,2,3\n", "h\n1,a,0,0,0,0,0,0,0,0,0\n", "h\n0,0,0,0,0,0,0,0,0,0,0\n", "h\n1,0,0,0,0,0,0,0,0,0,0,0\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        assert_false(report_csv_read(str_of(damaged[i]), &a, &read, &n));
    str_buf_free(&text);
    str_buf_free(&again);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_tells_the_outcome),
        cmocka_unit_test(csv_reads_back), cmocka_unit_test(a_link_is_a_web_address),
        cmocka_unit_test(a_model_is_not_compared_with_itself),
        cmocka_unit_test(rows_stay_rows),
        cmocka_unit_test(nothing_known_is_fine),
        cmocka_unit_test(csv_leaves_unknown_cells_empty),
        cmocka_unit_test(page_is_whole_and_harmless),
        cmocka_unit_test(photos_fit_the_page),
        cmocka_unit_test(figures_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
