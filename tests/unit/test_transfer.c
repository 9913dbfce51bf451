/* Which tensors of a file become the start of a model: same classes, other classes, other scales, parts. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "export/model_file.h"
#include "export/safetensors.h"
#include "export/transfer.h"

static struct arena arena;
static char folder[] = "/tmp/retrain-test-transfer-XXXXXX";
static const char *path;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    path = fs_join(&arena, folder, "w.safetensors");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct error e = {0};
    bool ok = fs_remove_tree(folder, &e);
    arena_free(&arena);
    return ok ? 0 : -1;
}

static const char *const names[100] = {"a", "b", "c", "d"};

static struct model made(char scale, int n_classes, uint64_t seed, struct arena *a)
{
    static const char *all[100];
    struct error e = {0};
    struct spec spec;
    struct model m;
    for (int i = 0; i < n_classes; i++)
        all[i] = names[i % 4];
    if (!spec_build(scale, n_classes, &spec, &e))
        fail_msg("%s", e.message);
    model_make(&spec, all, 64, true, a, &m);
    model_init(&m, seed);
    return m;
}

static void save(const struct model *m)
{
    struct error e = {0};
    struct model_file_info info = {"", ""};
    if (!model_save(path, m, m->params.data, &info, &e))
        fail_msg("%s", e.message);
}

/* What must stand at [i,j,k,l]: the file's value where the tensor was taken, in whole or by its first channels. */
static void check_values(const struct model *to, const struct model *from, const struct model *fresh, const struct transfer *t)
{
    for (int n = 0; n < to->params.n_items; n++) {
        const struct param *p = &to->params.items[n], *q = param_find(&from->params, p->name);
        bool is_taken = t->kinds[n] == TRANSFER_TAKEN || t->kinds[n] == TRANSFER_CUT;
        const real *got = to->params.data + p->offset;
        for (size_t x = 0; x < p->n; x++) {
            size_t spatial = (size_t)p->dims[2] * (size_t)p->dims[3], j = x / spatial % (size_t)p->dims[1];
            size_t i = x / spatial / (size_t)p->dims[1], y = (i * (size_t)q->dims[1] + j) * spatial + x % spatial;
            real want = is_taken ? from->params.data[q->offset + y] : fresh->params.data[p->offset + x];
            if (!(got[x] == want) || !(to->params.ema[p->offset + x] == want))
                fail_msg("%s[%zu]", p->name, x);
        }
    }
}

/* 36 tensors of n's 297 are the class branch: per level two blocks of 5, then weight and bias. */
static void takes_what_fits(void **state)
{
    (void)state;
    static const struct {
        char scale;
        int from, to, n_taken, n_cut, n_classes;
        const char *part;
    } rows[] = {
        {'n', 3, 3, 297, 0, 0, "297 of 297 tensors taken"},
        {'n', 3, 5, 291, 0, 6, "6 left fresh because the classes are others (model.22.cv3.0.2.weight, ...)"},
        {'n', 80, 3, 261, 30, 6, "30 of the wider class branch by their first channels (model.22.cv3.0.0.conv.weight, ...)"},
        {'n', 3, 80, 261, 0, 36, "36 left fresh because the classes are others"},
        {'s', 80, 3, 291, 0, 6, "291 of 297 tensors taken"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a = {0};
        struct error e = {0};
        struct transfer t;
        struct model from = made(rows[i].scale, rows[i].from, 1, &a), to = made(rows[i].scale, rows[i].to, 2, &a),
                     fresh = made(rows[i].scale, rows[i].to, 2, &a);
        save(&from);
        if (!transfer_weights(path, &to, &a, &t, &e))
            fail_msg("row %zu: %s", i, e.message);
        assert_int_equal(t.n_taken, rows[i].n_taken);
        assert_int_equal(t.n_cut, rows[i].n_cut);
        assert_int_equal(t.n_classes, rows[i].n_classes);
        assert_int_equal(t.n_absent, 0);
        assert_int_equal(t.n_unused, 0);
        check_values(&to, &from, &fresh, &t);
        const char *text = transfer_text(&t, &to, &a);
        if (!strstr(text, rows[i].part))
            fail_msg("row %zu: %s", i, text);
        arena_free(&a);
    }
}

static void names_the_tensor_of_another_scale(void **state)
{
    (void)state;
    struct error e = {0};
    struct transfer t;
    struct model from = made('s', 3, 1, &arena), to = made('n', 3, 2, &arena);
    save(&from);
    assert_false(transfer_weights(path, &to, &arena, &t, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.message, "tensor model.0.conv.weight is [32,3,3,3] there and [16,3,3,3] in this model of scale n"));
    assert_non_null(strstr(e.message, "train with model s"));
}

static void save_tensors(struct file_tensor *tensors, size_t n)
{
    struct error e = {0};
    struct tensor_file f = {.tensors = tensors, .n_tensors = n};
    if (!safetensors_write(path, &f, &e))
        fail_msg("%s", e.message);
}

static void takes_a_part_and_says_so(void **state)
{
    (void)state;
    static const float values[64] = {1, 2, 3};
    struct file_tensor tensors[] = {
        {.name = "model.0.bn.weight", .n_dims = 1, .dims = {16, 1, 1, 1}, .data = values, .n = 16},
        {.name = "model.23.cv4.0.bias", .n_dims = 1, .dims = {16, 1, 1, 1}, .data = values, .n = 16},
        {.name = "model.22.dfl.conv.weight", .n_dims = 4, .dims = {1, 16, 1, 1}, .data = values, .n = 16},
    };
    struct error e = {0};
    struct transfer t;
    struct model m = made('n', 3, 2, &arena);
    save_tensors(tensors, 3);
    assert_true(transfer_weights(path, &m, &arena, &t, &e));
    assert_int_equal(t.n_taken, 1);
    assert_int_equal(t.n_absent, 296);
    assert_int_equal(t.n_unused, 1);
    assert_string_equal(transfer_text(&t, &m, &arena), "1 of 297 tensors taken; 296 left fresh because the file lacks them "
                                                       "(model.0.conv.weight, ...); 1 of the file have no place here");
    save_tensors(tensors + 1, 2);
    assert_false(transfer_weights(path, &m, &arena, &t, &e));
    assert_int_equal(e.code, ERR_DATA);
    assert_non_null(strstr(e.message, "not weights of a YOLOv8 detector"));
}

/* The same width, yet another shape further in: not a scale, but another network. */
static void names_the_tensor_of_another_architecture(void **state)
{
    (void)state;
    static const float values[4 * 16 * 3 * 9];
    struct file_tensor tensors[] = {
        {.name = "model.0.conv.weight", .n_dims = 4, .dims = {16, 3, 3, 3}, .data = values, .n = 16 * 3 * 9},
        {.name = "model.1.conv.weight", .n_dims = 4, .dims = {16, 4, 3, 3}, .data = values, .n = 16 * 4 * 9},
    };
    struct error e = {0};
    struct transfer t;
    struct model m = made('n', 3, 2, &arena);
    save_tensors(tensors, 2);
    assert_false(transfer_weights(path, &m, &arena, &t, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.message, "tensor model.1.conv.weight is [16,4,3,3] there and [32,16,3,3]"));
    assert_non_null(strstr(e.message, "another architecture"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_fits),
        cmocka_unit_test(names_the_tensor_of_another_scale),
        cmocka_unit_test(takes_a_part_and_says_so),
        cmocka_unit_test(names_the_tensor_of_another_architecture),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
