#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "core/hash.h"
#include "core/json.h"
#include "config/options.h"
#include "pipeline/version.h"
#include "train/train.h"

static struct arena arena;

/* The recipe of all defaults, engine 1. Every change to this text changes every version that users have published. */
static const char golden[] = "augment.close-mosaic=10\n"
                             "augment.degrees=0\n"
                             "augment.fliplr=0.5\n"
                             "augment.flipud=0\n"
                             "augment.hsv-h=0.015\n"
                             "augment.hsv-s=0.7\n"
                             "augment.hsv-v=0.4\n"
                             "augment.mosaic=1\n"
                             "augment.scale=0.5\n"
                             "augment.shear=0\n"
                             "augment.translate=0.1\n"
                             "batch-size=16\n"
                             "convolution=auto\n"
                             "dataset-format=auto\n"
                             "engine=1\n"
                             "epochs=100\n"
                             "final-lr-fraction=0.01\n"
                             "image-size=320\n"
                             "initial-weights=none\n"
                             "learning-rate=auto\n"
                             "model=n\n"
                             "momentum=0.937\n"
                             "optimizer=auto\n"
                             "patience=0\n"
                             "recipe=small-data\n"
                             "seed=0\n"
                             "smoke=false\n"
                             "val-fraction=0.2\n"
                             "warmup-epochs=3\n"
                             "weight-decay=0.0005\n";

static struct config defaults(void)
{
    struct config c = {0};
    option_set_defaults(&c, &arena);
    return c;
}

static char *recipe(const struct config *c, const char *weights)
{
    struct str_buf text = STR_BUF(1 << 16);
    config_recipe_text(c, weights, 1, &text);
    char *out = arena_strdup(&arena, str_buf_text(&text));
    str_buf_free(&text);
    return out;
}

static void text_is_golden(void **state)
{
    (void)state;
    struct config c = defaults();
    assert_string_equal(recipe(&c, "none"), golden);
    c.learning_rate = 1e-5;
    c.initial_weights = "models/a.safetensors"; /* its name does not count, its content does */
    char *text = recipe(&c, "abc");
    assert_non_null(strstr(text, "\nlearning-rate=1e-05\n"));
    assert_non_null(strstr(text, "\ninitial-weights=abc\n"));
}

/* What the table marks as recipe changes the text, and nothing else does. */
static void only_marked_options_count(void **state)
{
    (void)state;
    static const char *const other[][2] = {
        {"dataset", "x"},
        {"dataset-format", "voc"},
        {"val-fraction", "0.3"},
        {"store", "s3://b"},
        {"endpoint-url", "x"},
        {"region", "x"},
        {"addressing-style", "path"},
        {"role-to-assume", "x"},
        {"audience", "x"},
        {"recipe", "reference"},
        {"model", "s"},
        {"image-size", "640"},
        {"epochs", "7"},
        {"batch-size", "8"},
        {"seed", "1"},
        {"optimizer", "sgd"},
        {"learning-rate", "0.1"},
        {"final-lr-fraction", "0.1"},
        {"weight-decay", "0.1"},
        {"momentum", "0.1"},
        {"convolution", "direct"},
        {"warmup-epochs", "1"},
        {"patience", "9"},
        {"augment", "mosaic=0"},
        {"threads", "3"},
        {"time-budget", "1h"},
        {"role-duration", "2h"},
        {"checkpoint-every", "1m"},
        {"continue", "true"},
        {"max-jobs", "3"},
        {"token", "x"},
        {"force", "true"},
        {"smoke", "true"},
        {"kernels", "ref"},
        {"min-map50", "0.5"},
        {"max-map50-drop", "0.5"},
        {"on-revert", "true"},
        {"formats", "onnx"},
        {"onnx-dynamic-batch", "true"},
        {"keep-versions", "3"},
        {"log-format", "json"},
        {"output-json", "x"},
        {"config", "x"},
    };
    int n_seen = 0;
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (o->scope == OPTION_CLI || !strcmp(o->name, "initial-weights"))
            continue;
        const char *value = NULL;
        for (size_t k = 0; k < COUNT(other); k++)
            value = strcmp(other[k][0], o->name) ? value : other[k][1];
        if (!value)
            fail_msg("option %s is not in this test: give it another value here", o->name);
        struct config c = defaults();
        struct error e = {0};
        assert_true(option_set(&c, o, str_of(value), o->name, &arena, &e));
        if (!strcmp(recipe(&c, "none"), golden) == o->in_recipe)
            fail_msg("option %s: recipe %s", o->name, o->in_recipe ? "did not change" : "changed");
        n_seen++;
    }
    assert_int_equal(n_seen, COUNT(other));
}

/* The object in manifest.json, printed as sorted name=value lines, is the text. */
static bool add_member(const char *key, const struct json *v, void *ctx)
{
    struct str_buf *out = ctx;
    char number[32];
    config_format_real(json_number(v, -1), number);
    const char *text = json_kind(v) == JSON_STRING ? json_string(v, "")
                       : json_kind(v) == JSON_BOOL ? (json_bool(v, false) ? "true" : "false")
                                                   : number;
    str_buf_printf(out, "%s=%s\n", key, text);
    return true;
}

static void object_says_the_same(void **state)
{
    (void)state;
    struct config c = defaults();
    struct json *object = config_recipe_json(&c, "none", 1);
    struct str_buf text = STR_BUF(1 << 16);
    json_each(object, add_member, &text);
    assert_string_equal(str_buf_text(&text), golden);
    str_buf_free(&text);
    json_free(object);
}

static void version_is_cut_from_both_checksums(void **state)
{
    (void)state;
    struct config c = defaults();
    struct version v;
    uint8_t sum[32];
    char hex[65], want[32];
    const char *engine = strstr(golden, "engine=1\n");
    struct str_buf text = STR_BUF(1 << 16);
    str_buf_printf(&text, "%.*sengine=%d%s", (int)(engine - golden), golden, TRAIN_ENGINE, engine + strlen("engine=1"));
    version_make(&c, "3f9ac1d27b04ffffffffffffffffffffffffffffffffffffffffffffffffffff", "none", &v);
    sha256_of(str_buf_text(&text), strlen(str_buf_text(&text)), sum);
    str_buf_free(&text);
    hex_encode(sum, sizeof sum, hex);
    assert_string_equal(v.recipe_checksum, hex);
    snprintf(want, sizeof want, "3f9ac1d27b04-%.8s", hex);
    assert_string_equal(v.name, want);
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_golden),
        cmocka_unit_test(only_marked_options_count),
        cmocka_unit_test(object_says_the_same),
        cmocka_unit_test(version_is_cut_from_both_checksums),
    };
    return cmocka_run_group_tests_name("recipe", tests, NULL, tear_down);
}
