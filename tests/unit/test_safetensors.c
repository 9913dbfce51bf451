/* The safetensors format: bytes of a small file by hand, round trips, element types, and every defect by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "export/safetensors.h"

static struct arena arena;
static char folder[] = "/tmp/retrain-test-safetensors-XXXXXX";

static const float weights[] = {1, -2, 0.5f, 3, 4, 5}, bias[] = {0.25f};
static struct file_tensor tensors[] = {
    {.name = "model.0.conv.weight", .n_dims = 4, .dims = {1, 2, 1, 3}, .data = weights, .n = 6},
    {.name = "model.0.bias", .n_dims = 1, .dims = {1, 1, 1, 1}, .data = bias, .n = 1},
};
static struct file_meta metadata[] = {{"format", "pt"}, {"names", "[\"it's \\\"x\\\"\",\"çé\"]"}};
static const struct tensor_file small = {.tensors = tensors, .n_tensors = 2, .meta = metadata, .n_meta = 2};

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    struct error e = {0};
    bool ok = fs_remove_tree(folder, &e);
    arena_free(&arena);
    return ok ? 0 : -1;
}

static struct str written(const struct tensor_file *f)
{
    struct error e = {0};
    struct str bytes = {0};
    const char *path = fs_join(&arena, folder, "a.safetensors");
    if (!safetensors_write(path, f, &e) || !fs_read_file(path, 1 << 20, &arena, &bytes, &e))
        fail_msg("%s", e.message);
    return bytes;
}

/* A file of this header (padded or not as given) and so many data bytes, all zero unless `data` says more. */
static struct str made(const char *header, const void *data, size_t n)
{
    struct str_buf b = STR_BUF(1 << 20);
    uint64_t length = strlen(header);
    str_buf_addn(&b, &length, sizeof length);
    str_buf_adds(&b, header);
    for (size_t i = 0; i < n; i++)
        str_buf_addc(&b, data ? ((const char *)data)[i] : 0);
    struct str copy = {str_dup(&arena, str_buf_view(&b)), b.n};
    str_buf_free(&b);
    return copy;
}

static void bytes_of_a_small_file(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\": {\"format\": \"pt\", \"names\": \"[\\\"it's \\\\\\\"x\\\\\\\"\\\",\\\"çé\\\"]\"}, "
        "\"model.0.conv.weight\": {\"dtype\": \"F32\", \"shape\": [1, 2, 1, 3], \"data_offsets\": [0, 24]}, "
        "\"model.0.bias\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [24, 28]}}";
    struct str got = written(&small);
    uint64_t n;
    memcpy(&n, got.p, sizeof n);
    assert_int_equal(n % 8, 0);
    assert_int_equal(got.n, 8 + n + 28);
    if (n < sizeof header - 1 || n >= sizeof header - 1 + 8 || memcmp(got.p + 8, header, sizeof header - 1) != 0)
        fail_msg("header: " STR_FMT "\nwanted: %s", (int)n, got.p + 8, header);
    for (uint64_t i = sizeof header - 1; i < n; i++)
        assert_int_equal(got.p[8 + i], ' ');
    assert_memory_equal(got.p + 8 + n, weights, sizeof weights);
    assert_memory_equal(got.p + 8 + n + sizeof weights, bias, sizeof bias);
}

/* Integers lie first, whatever their place in the header, so that both kinds are aligned to their elements. */
static void writes_integers_before_floats(void **state)
{
    (void)state;
    static const int64_t count = 7;
    static const char want[] = "{\"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [8, 12]}, "
                               "\"n\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [0, 8]}}";
    struct file_tensor mixed[] = {{.name = "b", .n_dims = 1, .dims = {1, 1, 1, 1}, .data = bias, .n = 1},
                                {.name = "n", .ints = &count, .n = 1}};
    struct str got = written(&(struct tensor_file){.tensors = mixed, .n_tensors = 2});
    uint64_t n;
    memcpy(&n, got.p, sizeof n);
    assert_int_equal(got.n, 8 + n + 12);
    assert_memory_equal(got.p + 8, want, sizeof want - 1);
    assert_memory_equal(got.p + 8 + n, &count, sizeof count);
    assert_memory_equal(got.p + 8 + n + 8, bias, sizeof bias);

    struct error e = {0};
    struct tensor_file f;
    if (!safetensors_parse(got, "mixed", &arena, &f, &e))
        fail_msg("%s", e.message);
    assert_int_equal(f.n_tensors, 1); /* the counter is skipped */
    assert_float_equal(tensor_file_find(&f, "b")->data[0], 0.25f, 0);
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    struct error e = {0};
    struct tensor_file f;
    struct str bytes = written(&small);
    assert_true(str_eq(bytes, written(&small))); /* the same model gives the same bytes */
    assert_true(safetensors_parse(bytes, "a", &arena, &f, &e));
    assert_int_equal(f.n_tensors, 2);
    assert_int_equal(f.n_meta, 2);
    assert_string_equal(tensor_file_meta(&f, "names"), metadata[1].value);
    assert_null(tensor_file_meta(&f, "nothing"));
    assert_null(tensor_file_find(&f, "nothing"));
    const struct file_tensor *t = tensor_file_find(&f, "model.0.conv.weight");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 4);
    for (int d = 0; d < 4; d++)
        assert_int_equal(t->dims[d], tensors[0].dims[d]);
    assert_memory_equal(t->data, weights, sizeof weights);
}

/* 1.0, -2.0, 65504, the smallest half 2^-24, minus zero; and the same idea for the upper halves of floats. */
static void widens_short_floats(void **state)
{
    (void)state;
    static const uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x0400, 0x03ff};
    static const float want_half[] = {1, -2, 65504, 0x1p-24f, -0.0f, 0x1p-14f, 0x1.ff8p-15f};
    static const uint16_t brain[] = {0x3f80, 0xc000, 0x4049, 0x0001, 0x8000, 0x0080, 0x7f7f};
    static const float want_brain[] = {1, -2, 3.140625f, 0x1p-133f, -0.0f, 0x1p-126f, 0x1.fep127f};
    static const struct {
        const char *type;
        const uint16_t *bits;
        const float *want;
    } rows[] = {{"F16", half, want_half}, {"BF16", brain, want_brain}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct tensor_file f;
        const char *header = arena_printf(&arena, "{\"w\":{\"dtype\":\"%s\",\"shape\":[7],\"data_offsets\":[0,14]}}", rows[i].type);
        if (!safetensors_parse(made(header, rows[i].bits, 14), "a", &arena, &f, &e))
            fail_msg("%s", e.message);
        for (int j = 0; j < 7; j++)
            if (!(f.tensors[0].data[j] == rows[i].want[j]) || signbit(f.tensors[0].data[j]) != signbit(rows[i].want[j]))
                fail_msg("%s[%d]: %a, wanted %a", rows[i].type, j, (double)f.tensors[0].data[j], (double)rows[i].want[j]);
    }
}

static void skips_integers_and_takes_odd_shapes(void **state)
{
    (void)state;
    struct error e = {0};
    struct tensor_file f;
    struct str file = made("{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[4,12]},"
                           "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                           "\"z\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[12,12]}}   ",
                           NULL, 12);
    if (!safetensors_parse(file, "a", &arena, &f, &e))
        fail_msg("%s", e.message);
    assert_int_equal(f.n_tensors, 2);
    assert_null(tensor_file_find(&f, "n"));
    assert_int_equal(tensor_file_find(&f, "s")->n, 1);
    assert_int_equal(tensor_file_find(&f, "z")->n, 0);
}

static void refuses(const char *header, size_t n, const char *part)
{
    struct error e = {0};
    struct tensor_file f;
    if (safetensors_parse(made(header, NULL, n), "bad.safetensors", &arena, &f, &e))
        fail_msg("accepted: %s", header);
    if (e.code != ERR_DATA || !strstr(e.message, part) || !strstr(e.message, "bad.safetensors"))
        fail_msg("%s\nsaid: %s\nwanted: %s", header, e.message, part);
}

#define TENSOR(rest) "{\"w\":{\"dtype\":\"F32\"," rest "}}"

static void names_every_defect(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *part;
    } rows[] = {
        {"", 0, "does not begin with {"},
        {"[1]", 0, "does not begin with {"},
        {"{\"w\":", 0, "header"},
        {"{\"w\":1}", 0, "dtype"},
        {"{\"w\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "'F8'"},
        {"{\"w\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype"},
        {TENSOR("\"shape\":3,\"data_offsets\":[0,4]"), 4, "shape"},
        {TENSOR("\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]"), 4, "at most 4"},
        {TENSOR("\"shape\":[-1],\"data_offsets\":[0,4]"), 4, "whole number"},
        {TENSOR("\"shape\":[1.5],\"data_offsets\":[0,4]"), 4, "whole number"},
        {TENSOR("\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]"), 4, "too large"},
        {TENSOR("\"shape\":[4611686018427387904],\"data_offsets\":[0,0]"), 0, "too large"},
        {TENSOR("\"shape\":[1]"), 4, "data_offsets"},
        {TENSOR("\"shape\":[1],\"data_offsets\":[0]"), 4, "data_offsets"},
        {TENSOR("\"shape\":[1],\"data_offsets\":[4,0]"), 4, "data_offsets"},
        {TENSOR("\"shape\":[1],\"data_offsets\":[-4,0]"), 4, "data_offsets"},
        {TENSOR("\"shape\":[2],\"data_offsets\":[0,8]"), 4, "cut off"},
        {TENSOR("\"shape\":[2],\"data_offsets\":[0,4]"), 4, "needs 8 bytes"},
        {TENSOR("\"shape\":[1],\"data_offsets\":[0,4]"), 8, "4 bytes after"},
        {TENSOR("\"shape\":[1],\"data_offsets\":[4,8]"), 8, "begins at byte 4 where 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
         "begins at byte 4 where 8"},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12,
         "begins at byte 8 where 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
         "header"},
        {"{\"__metadata__\":1}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "metadata a"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refuses(rows[i].header, rows[i].n_data, rows[i].part);
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    static const uint32_t values[] = {0x7f800000, 0xff800000, 0x7fc00000};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct error e = {0};
        struct tensor_file f;
        struct str file = made(TENSOR("\"shape\":[1],\"data_offsets\":[0,4]"), &values[i], 4);
        assert_false(safetensors_parse(file, "a", &arena, &f, &e));
        assert_int_equal(e.code, ERR_DATA);
        assert_non_null(strstr(e.message, "not finite"));
    }
}

/* Every cut of a good file is refused, and so is a header length that lies. */
static void refuses_every_cut(void **state)
{
    (void)state;
    struct str whole = written(&small);
    for (size_t n = 0; n < whole.n; n++) {
        struct error e = {0};
        struct tensor_file f;
        struct arena scratch = {0};
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole.p, n);
        if (safetensors_parse((struct str){exact, n}, "cut", &scratch, &f, &e) || e.code != ERR_DATA)
            fail_msg("accepted %zu of %zu bytes", n, whole.n);
        free(exact);
        arena_free(&scratch);
    }
    static const uint64_t lengths[] = {UINT64_MAX, 100 << 20, (100 << 20) + 1, UINT64_MAX - 7};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct error e = {0};
        struct tensor_file f;
        assert_false(safetensors_parse((struct str){(const char *)&lengths[i], 8}, "a", &arena, &f, &e));
        assert_int_equal(e.code, ERR_DATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_small_file),      cmocka_unit_test(writes_integers_before_floats),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(widens_short_floats),        cmocka_unit_test(skips_integers_and_takes_odd_shapes),
        cmocka_unit_test(names_every_defect),         cmocka_unit_test(refuses_what_is_not_finite),
        cmocka_unit_test(refuses_every_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
