/* .pt files: the ones that PyTorch wrote (tests/golden/torch/make.py), and pickles by hand for what it never would. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "core/fs.h"
#include "export/torch_file.h"
#include "stored_zip.h"

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct tensor_file parsed(const char *name)
{
    struct error e = {0};
    struct str bytes = {0};
    struct tensor_file f = {0};
    const char *path = fs_join(&arena, "tests/golden/torch", name);
    if (!fs_read_file(path, 1 << 20, &arena, &bytes, &e) || !torch_file_parse(bytes, name, &arena, &f, &e))
        fail_msg("%s", e.message);
    return f;
}

/* Element i is i / 4 - 1, which every type of float holds exactly. */
static void has(const struct tensor_file *f, const char *name, int n_dims, int64_t d0, int64_t d1)
{
    const struct file_tensor *t = tensor_file_find(f, name);
    if (!t)
        fail_msg("no tensor %s", name);
    assert_int_equal(t->n_dims, n_dims);
    assert_int_equal(t->dims[0], d0);
    assert_int_equal(t->dims[1], d1);
    assert_int_equal(t->dims[2] * t->dims[3], 1);
    assert_int_equal(t->n, d0 * d1);
    for (size_t i = 0; i < t->n; i++)
        if (!(t->data[i] == (float)i / 4 - 1))
            fail_msg("%s[%zu]: %g", name, i, (double)t->data[i]);
}

static void reads_state_dicts(void **state)
{
    (void)state;
    static const char *const files[] = {"state-dict.pt", "state-dict-protocol4.pt"};
    for (size_t i = 0; i < COUNT(files); i++) {
        struct tensor_file f = parsed(files[i]);
        assert_int_equal(f.n_tensors, 8);
        assert_int_equal(f.n_meta, 0);
        has(&f, "half", 2, 2, 3);
        has(&f, "brain", 1, 5, 1);
        has(&f, "double", 4, 2, 2);
        has(&f, "strided", 2, 3, 2);
        has(&f, "offset", 1, 4, 1);
        has(&f, "scalar", 0, 1, 1);
        has(&f, "empty", 2, 0, 7);
        has(&f, "parameter", 1, 2, 1);
    }
}

static void reads_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *file, *names, *size;
    } rows[] = {
        {"finished.pt", "[\"cat\", \"it's\"]", "320"},
        {"running.pt", "[\"cat\"]", "640"},
        {"wrapped.pt", "[\"a\", \"b\"]", "64"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tensor_file f = parsed(rows[i].file);
        assert_int_equal(f.n_tensors, 5);
        has(&f, "model.0.conv.weight", 4, 3, 2);
        has(&f, "model.0.bn.weight", 1, 3, 1);
        has(&f, "model.0.bn.bias", 1, 3, 1);
        has(&f, "model.0.bn.running_mean", 1, 3, 1);
        has(&f, "model.0.bn.running_var", 1, 3, 1);
        assert_string_equal(tensor_file_meta(&f, "names"), rows[i].names);
        assert_string_equal(tensor_file_meta(&f, "imgsz"), rows[i].size);
    }
}

static void every_cut_of_a_checkpoint_is_refused(void **state)
{
    (void)state;
    struct error e = {0};
    struct str whole = {0};
    assert_true(fs_read_file("tests/golden/torch/finished.pt", 1 << 20, &arena, &whole, &e));
    for (size_t n = 0; n < whole.n; n++) {
        struct error why = {0};
        struct tensor_file f;
        struct arena a = {0};
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole.p, n);
        if (torch_file_parse((struct str){exact, n}, "cut", &a, &f, &why) || why.code != ERR_DATA)
            fail_msg("accepted %zu of %zu bytes", n, whole.n);
        free(exact);
        arena_free(&a);
    }
}

static void knows_the_old_format(void **state)
{
    (void)state;
    struct error e = {0};
    struct str bytes = {0};
    struct tensor_file f;
    assert_true(fs_read_file("tests/golden/torch/legacy.pt", 1 << 20, &arena, &bytes, &e));
    assert_true(torch_file_is_legacy(bytes));
    assert_false(torch_file_is_legacy(STR_LIT("\x80\2}.")));
    assert_false(torch_file_is_legacy((struct str){0}));
    assert_false(tensor_file_read("tests/golden/torch/legacy.pt", &arena, &f, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.message, "save it again"));
}

/* ---- by hand ---- */

#define P(text) (text), sizeof(text) - 1
#define STORAGE(type, count) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0kX\3\0\0\0cpuK" count "tQ"
#define TENSOR(storage, offset, size, stride) "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset size stride "\x89)tR"
#define NAMED(value) "\x80\2}X\1\0\0\0w" value "s."

static struct str archive(const char *pickle, size_t n)
{
    static const float data[] = {-1, -0.75f, -0.5f, -0.25f};
    struct stored entries[] = {{"x/data.pkl", pickle, n}, {"x/data/k", (const char *)data, sizeof data}, {"x/byteorder", "little\n", 7}};
    return stored_zip(&arena, entries, COUNT(entries), false);
}

static void reads_a_pickle_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t n;
        int64_t d0, d1;
    } rows[] = {
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\2K\2\x86", "K\2K\1\x86"))), 2, 2},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\1K\4\x86", "K\xffK\1\x86"))), 1, 4}, /* a step that is never taken */
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "ctorch\nSize\nK\4K\1\x86\x85R", "K\1K\1\x86"))), 4, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        if (!torch_file_parse(archive(rows[i].pickle, rows[i].n), "a", &arena, &f, &e))
            fail_msg("row %zu: %s", i, e.message);
        has(&f, "w", 2, rows[i].d0, rows[i].d1);
    }
}

static void names_every_defect(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t n;
        const char *part;
    } rows[] = {
        {P(NAMED("cos\nsystem\nX\4\0\0\0true\x85R")), "tensor w is made by 'os system', which is not known and was not run"},
        {P(NAMED("cbuiltins\neval\n)R")), "made by 'builtins eval'"},
        {P("\x80\2}."), "no weights in it"},
        {P("\x80\2N."), "no weights in it"},
        {P("\x80\2}X\1\0\0\0wK\1s."), "no weights in it"},
        {P(NAMED("ctorch._utils\n_rebuild_tensor_v2\n)R")), "storage of a form that is not known"},
        {P(NAMED(TENSOR("N", "K\0", ")", ")"))), "storage of a form that is not known"},
        {P(NAMED(TENSOR("N\x85Q", "K\0", ")", ")"))), "storage of a form that is not known"},
        {P(NAMED(TENSOR(STORAGE("ComplexFloatStorage", "\1"), "K\0", ")", ")"))), "elements of type 'torch ComplexFloatStorage'"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\5"), "K\0", ")", ")"))), "storage is too short"},
        {P(NAMED(TENSOR(STORAGE("DoubleStorage", "\3"), "K\0", ")", ")"))), "storage is too short"},
        {P(NAMED(TENSOR("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0zX\3\0\0\0cpuK\1tQ", "K\0", ")", ")"))), "lacks its storage"},
        {P(NAMED(TENSOR("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0kX\3\0\0\0cpuJ\xff\xff\xff\xfftQ", "K\0", ")", ")"))),
         "storage of a form"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\4", ")", ")"))), "beyond its storage"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "J\xff\xff\xff\xff", ")", ")"))), "shape of a form"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\5\x85", "K\1\x85"))), "beyond its storage"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\1", "K\4\x85", "K\1\x85"))), "beyond its storage"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\2K\2\x86", "K\3K\1\x86"))), "beyond its storage"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\5\x85", "K\0\x85"))), "beyond its storage"}, /* expanded */
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\2\x85", ")"))), "shape of a form"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "N\x85", "N\x85"))), "no count"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "(K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1t"))), "more than 4 sizes"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\4\x86", "K\1K\1\x86"))), "too large"},
        {P(NAMED(TENSOR(STORAGE("FloatStorage", "\4"), "K\0", "K\4\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"))), "too large"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        if (torch_file_parse(archive(rows[i].pickle, rows[i].n), "bad.pt", &arena, &f, &e))
            fail_msg("row %zu (%s) was accepted", i, rows[i].part);
        if (e.code != ERR_DATA || !strstr(e.message, rows[i].part) || !strstr(e.message, "bad.pt"))
            fail_msg("row %zu said: %s\nwanted: %s", i, e.message, rows[i].part);
    }
}

static void names_defects_of_the_archive(void **state)
{
    (void)state;
    static const char pickle[] = NAMED(TENSOR(STORAGE("FloatStorage", "\1"), "K\0", ")", ")"));
    static const uint32_t not_a_number = 0x7fc00000;
    static const struct {
        struct stored entries[3];
        size_t n;
        const char *part;
    } rows[] = {
        {{{"readme.txt", "", 0}}, 1, "without data.pkl"},
        {{{"data.pkl", P(pickle)}}, 1, "without data.pkl"},
        {{{"x/data.pkl", P(pickle)}, {"x/constants.pkl", "", 0}}, 2, "TorchScript"},
        {{{"x/data.pkl", P(pickle)}, {"x/data/k", "1234", 4}, {"x/byteorder", "big", 3}}, 3, "little-endian"},
        {{{"x/data.pkl", P(pickle)}, {"y/data/k", "1234", 4}}, 2, "lacks its storage"},
        {{{"x/data.pkl", P(pickle)}, {"x/data/k", (const char *)&not_a_number, 4}}, 2, "not finite"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        assert_false(torch_file_parse(stored_zip(&arena, rows[i].entries, rows[i].n, false), "bad.pt", &arena, &f, &e));
        if (e.code != ERR_DATA || !strstr(e.message, rows[i].part))
            fail_msg("row %zu said: %s\nwanted: %s", i, e.message, rows[i].part);
    }
}

/* A module that holds itself, and one that holds the same child twice, 30 levels deep: both would go on for ever. */
static void ends_where_the_graph_does_not(void **state)
{
    (void)state;
    static const char itself[] = "\x80\2ca\nM\n)\x81q\0}X\x08\0\0\0_modules}X\1\0\0\0ah\0ssb.";
    struct str_buf twice = STR_BUF(1 << 16);
    struct error e = {0};
    struct tensor_file f;
    assert_false(torch_file_parse(archive(P(itself)), "a", &arena, &f, &e));
    assert_non_null(strstr(e.message, "nested too deep"));

    str_buf_addn(&twice, P("\x80\2"));
    for (int i = 0; i < 30; i++)
        str_buf_addn(&twice, P("ca\nM\n)\x81}X\x08\0\0\0_modules}(X\1\0\0\0a"));
    str_buf_addn(&twice, P("ca\nM\n)\x81"));
    for (int i = 0; i < 30; i++) {
        const char level = (char)i, *const parts[] = {"q", "X\1\0\0\0bh", "usb"};
        str_buf_addn(&twice, parts[0], 1);
        str_buf_addc(&twice, level);
        str_buf_addn(&twice, parts[1], 7);
        str_buf_addc(&twice, level);
        str_buf_addn(&twice, parts[2], 3);
    }
    str_buf_addc(&twice, '.');
    e = (struct error){0};
    assert_false(torch_file_parse(archive(twice.p, twice.n), "a", &arena, &f, &e));
    str_buf_free(&twice);
    if (!strstr(e.message, "or too many"))
        fail_msg("%s", e.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_state_dicts),
        cmocka_unit_test(reads_checkpoints),
        cmocka_unit_test(every_cut_of_a_checkpoint_is_refused),
        cmocka_unit_test(knows_the_old_format),
        cmocka_unit_test(reads_a_pickle_by_hand),
        cmocka_unit_test(names_every_defect),
        cmocka_unit_test(names_defects_of_the_archive),
        cmocka_unit_test(ends_where_the_graph_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
