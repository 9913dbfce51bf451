/* ONNX initialisers: what is taken, what is skipped, every defect by name, every cut. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "export/onnx_read.h"
#include "export/protobuf.h"

static struct arena arena;
static const float four[] = {-1, -0.75f, -0.5f, -0.25f};

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

struct described {
    const char *name;
    int type, n_dims;
    int64_t dims[5];
    int field; /* 9 raw_data, 4 float_data, 0 none */
    size_t n_bytes;
    int location; /* 1 = in another file */
};

static void add_tensor(struct str_buf *graph, const struct described *d)
{
    struct str_buf t = PB_MESSAGE;
    for (int i = 0; i < d->n_dims; i++)
        pb_int(&t, 1, d->dims[i]);
    pb_int(&t, 2, d->type);
    pb_text(&t, 8, d->name);
    if (d->field) {
        pb_begin_bytes(&t, d->field, d->n_bytes);
        str_buf_addn(&t, four, d->n_bytes);
    }
    if (d->location)
        pb_int(&t, 14, d->location);
    pb_message(graph, 5, &t);
}

static void add_meta(struct str_buf *model, const char *key, const char *value)
{
    struct str_buf entry = PB_MESSAGE;
    pb_text(&entry, 1, key);
    pb_text(&entry, 2, value);
    pb_message(model, 14, &entry);
}

static struct str file_of(const struct described *all, size_t n, const char *names, const char *imgsz)
{
    struct str_buf model = PB_MESSAGE, graph = PB_MESSAGE;
    pb_int(&model, 1, 8);
    pb_text(&graph, 2, "a graph");
    for (size_t i = 0; i < n; i++)
        add_tensor(&graph, &all[i]);
    pb_message(&model, 7, &graph);
    add_meta(&model, "names", names);
    add_meta(&model, "imgsz", imgsz);
    struct str copy = {str_dup(&arena, str_buf_view(&model)), model.n};
    str_buf_free(&model);
    return copy;
}

static const struct described good[] = {
    {"model.0.conv.weight", 1, 4, {2, 1, 1, 2}, 9, 16, 0},
    {"shape", 7, 1, {2}, 9, 16, 0},
    {"bias", 1, 1, {4}, 4, 16, 0},
    {"scalar", 1, 0, {0}, 9, 4, 0},
    {"empty", 1, 1, {0}, 9, 0, 0},
};

static void takes_floats_and_skips_the_rest(void **state)
{
    (void)state;
    struct error e = {0};
    struct tensor_file f;
    if (!onnx_parse(file_of(good, COUNT(good), "{0: 'a', 1: \"it's\"}", "[320, 320]"), "a.onnx", &arena, &f, &e))
        fail_msg("%s", e.message);
    assert_int_equal(f.n_tensors, 4);
    const struct file_tensor *t = tensor_file_find(&f, "model.0.conv.weight");
    assert_int_equal(t->n_dims, 4);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[3], 2);
    assert_memory_equal(t->data, four, sizeof four);
    assert_memory_equal(tensor_file_find(&f, "bias")->data, four, sizeof four);
    assert_int_equal(tensor_file_find(&f, "scalar")->n, 1);
    assert_int_equal(tensor_file_find(&f, "empty")->n, 0);
    assert_null(tensor_file_find(&f, "shape"));
    assert_string_equal(tensor_file_meta(&f, "names"), "[\"a\", \"it's\"]");
    assert_string_equal(tensor_file_meta(&f, "imgsz"), "320");
}

static void metadata_that_is_not_understood_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *names, *size;
    } rows[] = {{"", ""}, {"{1: 'a'}", "320"}, {"{0: a}", "[320]"}, {"{0: 'a'", "[320, 640]"}, {"{0: 'a'} x", "[a, a]"}, {"[]", "(320, 320)"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        assert_true(onnx_parse(file_of(good, 1, rows[i].names, rows[i].size), "a.onnx", &arena, &f, &e));
        if (tensor_file_meta(&f, "names") || tensor_file_meta(&f, "imgsz"))
            fail_msg("row %zu was understood", i);
    }
}

static void names_every_defect(void **state)
{
    (void)state;
    static const struct {
        struct described tensor;
        const char *part;
    } rows[] = {
        {{"w", 7, 1, {2}, 9, 16, 0}, "without weights"},
        {{"w", 1, 1, {4}, 0, 0, 0}, "w lies in another file"},
        {{"w", 1, 1, {4}, 9, 16, 1}, "w lies in another file"},
        {{"w", 1, 1, {3}, 9, 16, 0}, "does not fit its 16 bytes"},
        {{"w", 11, 1, {4}, 9, 16, 0}, "does not fit its 16 bytes"},
        {{"w", 1, 1, {-4}, 9, 16, 0}, "too large"},
        {{"w", 1, 2, {INT64_MAX, 4}, 9, 16, 0}, "too large"},
        {{"w", 1, 2, {INT64_MAX, 2}, 9, 16, 0}, "does not fit"},
        {{"w", 1, 5, {1, 1, 1, 1, 4}, 9, 16, 0}, "more than 4 sizes"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        if (onnx_parse(file_of(&rows[i].tensor, 1, "", ""), "bad.onnx", &arena, &f, &e))
            fail_msg("row %zu (%s) was accepted", i, rows[i].part);
        if (e.code != ERR_DATA || !strstr(e.message, rows[i].part) || !strstr(e.message, "bad.onnx"))
            fail_msg("row %zu said: %s\nwanted: %s", i, e.message, rows[i].part);
    }
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    static const struct described d = {"w", 1, 1, {4}, 9, 16, 0};
    struct str file = file_of(&d, 1, "", "");
    char *bytes = str_dup(&arena, file);
    size_t at = 0;
    while (memcmp(bytes + at, four, sizeof four) != 0)
        at++;
    memcpy(bytes + at + 8, "\0\0\xc0\x7f", 4);
    struct error e = {0};
    struct tensor_file f;
    assert_false(onnx_parse((struct str){bytes, file.n}, "a.onnx", &arena, &f, &e));
    assert_non_null(strstr(e.message, "w holds a value that is not finite (element 2)"));
}

/* The file ends with its metadata: a cut between two fields of the outermost message is whole, any other is refused. */
static void refuses_cuts(void **state)
{
    (void)state;
    struct str whole = file_of(good, COUNT(good), "['a']", "[320, 320]");
    size_t n_taken = 0;
    for (size_t n = 0; n < whole.n; n++) {
        struct error e = {0};
        struct tensor_file f;
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole.p, n);
        bool ok = onnx_parse((struct str){exact, n}, "cut", &arena, &f, &e);
        n_taken += ok;
        if (!ok && e.code != ERR_DATA)
            fail_msg("%zu bytes: %s", n, e.message);
        free(exact);
    }
    assert_int_equal(n_taken, 2); /* without all metadata, without imgsz */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_floats_and_skips_the_rest),
        cmocka_unit_test(metadata_that_is_not_understood_is_none),
        cmocka_unit_test(names_every_defect),
        cmocka_unit_test(refuses_what_is_not_finite),
        cmocka_unit_test(refuses_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
