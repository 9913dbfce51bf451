#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "core/log.h"
#include "config/config.h"
#include "config/options.h"
#include "pipeline/outputs.h"

static char folder[] = "/tmp/retrain-config-XXXXXX";
static int log_fd = -1; /* a file that catches the log */

/* One load of a configuration: argv, environment and retrain.yml as given; NULL-terminated lists. */
struct setup {
    const char *argv[8], *environment[8], *file;
    const char *host; /* NULL = local */
};

static struct arena arena;

static bool load(const struct setup *s, struct config *c, struct error *e)
{
    char path[128];
    struct error ignored;
    snprintf(path, sizeof path, "%s/retrain.yml", folder);
    bool ok = s->file ? fs_write_atomic(path, str_of(s->file), &ignored) : fs_remove(path, &ignored);
    assert_true(ok);

    const char *argv[9] = {"retrain"};
    int argc = 1;
    while (argc < 9 && s->argv[argc - 1]) {
        argv[argc] = s->argv[argc - 1];
        argc++;
    }
    struct host host = {.name = s->host ? s->host : "local",
                        .workspace = folder,
                        .repository = "",
                        .commit = "",
                        .ref = "",
                        .run_url = ""};
    struct config_input in = {argc, argv, s->environment, &host, &arena};
    *e = (struct error){0};
    return config_load(&in, c, e);
}

static void precedence(void **state)
{
    (void)state;
    static const struct {
        struct setup setup;
        int image_size;
    } cases[] = {
        {{.file = NULL}, 320},
        {{.file = "image-size: 64\n"}, 64},
        {{.file = "image-size: 64\n", .environment = {"RETRAIN_IMAGE_SIZE=96"}}, 96},
        {{.environment = {"INPUT_IMAGE_SIZE=128", "RETRAIN_IMAGE_SIZE=96"}}, 128},
        {{.environment = {"INPUT_IMAGE_SIZE=128", "INPUT_IMAGE-SIZE=160"}}, 160},
        {{.file = "image-size: 64",
          .environment = {"RETRAIN_IMAGE_SIZE=96", "INPUT_IMAGE-SIZE=160"},
          .argv = {"--image-size", "192"}},
         192},
        {{.argv = {"--image-size=224"}}, 224},
        {{.argv = {"plan", "--image-size=224"}}, 224},
        {{.argv = {"--image-size=224", "plan"}}, 224},
        {{.argv = {"--image-size=224", "--image-size=256"}}, 256},
        /* empty counts as not given, on every level; values are trimmed */
        {{.environment = {"INPUT_IMAGE-SIZE=", "INPUT_IMAGE_SIZE=128"}}, 128},
        {{.environment = {"INPUT_IMAGE-SIZE=  \n", "RETRAIN_IMAGE_SIZE= 96\r\n"}}, 96},
        {{.file = "image-size:\n", .environment = {"INPUT_IMAGE-SIZE=", "RETRAIN_IMAGE_SIZE="}}, 320},
        {{.file = "image-size: 64\r\n", .argv = {"--image-size="}}, 64},
        {{.file = "image-size: \"64\"\n"}, 64},
        {{.file = "\xef\xbb\xbf"
                  "image-size: 64\n"},
         64},
        /* a variable that only begins like one of ours */
        {{.environment = {"RETRAIN_IMAGE_SIZES=96", "MY_RETRAIN_IMAGE_SIZE=64", "INPUT_IMAGE=32"}}, 320},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c;
        struct error e;
        if (!load(&cases[i].setup, &c, &e))
            fail_msg("case %zu: %s", i, e.message);
        if (c.image_size != cases[i].image_size)
            fail_msg("case %zu: image-size %d, expected %d", i, c.image_size, cases[i].image_size);
    }
}

static void errors_name_option_place_and_cure(void **state)
{
    (void)state;
    static const struct {
        struct setup setup;
        const char *message;
    } cases[] = {
        {{.file = "epochs: 5\nimage-size: 300\n"},
         "retrain.yml:2: image-size: 300 is not a multiple of 32: use 288 or 320"},
        {{.file = "imagesize: 300\n"}, "retrain.yml:1: there is no option 'imagesize'; did you mean 'image-size'?"},
        {{.file = "xyzzyplugh: 1\n"}, "retrain.yml:1: there is no option 'xyzzyplugh'"},
        {{.file = "output: x\n"}, "retrain.yml:1: only the command line knows 'output'"},
        {{.file = "augment:\n  mosiac: 1\n"}, "retrain.yml:2: augment: there is no 'mosiac'; did you mean 'mosaic'?"},
        {{.file = "augment:\n  mosaic: 2\n"}, "retrain.yml:2: augment: mosaic: 2 is out of range 0..1"},
        {{.file = "epochs: [1, 2]\n"}, "retrain.yml:1: epochs: needs one value"},
        {{.file = "force: yes\n"}, "retrain.yml:1: force: 'yes' is neither true nor false"},
        {{.file = "- 1\n"}, "retrain.yml:1: expected lines of the form `option: value`"},
        {{.environment = {"INPUT_IMAGE-SIZE=big"}}, "INPUT_IMAGE-SIZE: 'big' is not a whole number, such as 320"},
        {{.environment = {"INPUT_EPOCHS=1e3"}}, "INPUT_EPOCHS: '1e3' is not a whole number, such as 100"},
        {{.environment = {"RETRAIN_EPOCHS=0x10"}}, "RETRAIN_EPOCHS: '0x10' is not a whole number, such as 100"},
        {{.environment = {"RETRAIN_EPOCHS=99999999999999999999"}},
         "RETRAIN_EPOCHS: '99999999999999999999' is not a whole number, such as 100"},
        {{.environment = {"RETRAIN_EPOCHS=0"}}, "RETRAIN_EPOCHS: 0 is out of range 1..100000"},
        {{.environment = {"RETRAIN_VAL_FRACTION=0,2"}},
         "RETRAIN_VAL_FRACTION: '0,2' is not a number; decimals are written with a point, as in 0.5"},
        {{.environment = {"RETRAIN_VAL_FRACTION=nan"}},
         "RETRAIN_VAL_FRACTION: 'nan' is not a number; decimals are written with a point, as in 0.5"},
        {{.environment = {"RETRAIN_TIME_BUDGET=5"}},
         "RETRAIN_TIME_BUDGET: '5' is not a duration, such as 90s, 45m or 5h30m"},
        {{.environment = {"RETRAIN_MODEL=x"}}, "RETRAIN_MODEL: 'x' is not one of: n, s, m"},
        {{.environment = {"RETRAIN_FORMATS=onnx,pt"}}, "RETRAIN_FORMATS: 'pt' is not one of: onnx, safetensors"},
        {{.environment = {"RETRAIN_FORMATS=,"}}, "RETRAIN_FORMATS: names nothing; choose from: onnx|safetensors"},
        {{.environment = {"RETRAIN_DATASET=a\nb"}}, "RETRAIN_DATASET: the value must be one line of UTF-8 text"},
        {{.environment = {"RETRAIN_FORCE=1"}}, "RETRAIN_FORCE: '1' is neither true nor false"},
        {{.argv = {"--force=no"}}, "--force: 'no' is neither true nor false"},
        {{.argv = {"--image-sise", "320"}}, "there is no option --image-sise; did you mean --image-size?"},
        {{.argv = {"--xyzzyplugh"}}, "there is no option --xyzzyplugh; `retrain help` lists them"},
        {{.argv = {"-f"}}, "there is no option -f; options begin with two dashes"},
        {{.argv = {"--epochs"}}, "--epochs: needs a value"},
        {{.argv = {"--epochs", "--force"}}, "--epochs: needs a value"},
        {{.argv = {"plam"}}, "there is no command 'plam'; did you mean 'plan'?"},
        {{.argv = {"plan", "x"}}, "plan: does not know what to do with 'x'"},
        {{.argv = {"predict", "m.onnx"}}, "predict: needs MODEL IMAGE..."},
        {{.argv = {"--augment", "mosaic"}}, "--augment: 'mosaic' is not name=value, such as mosaic=0.5"},
        {{.argv = {"--augment", "close-mosaic=1.5"}}, "close-mosaic: --augment: '1.5' is not a whole number"},
        {{.argv = {"--config", "other.yml"}}, "--config: there is no file 'other.yml' (looked at "},
        {{.argv = {"--store", "models"}}, "store: 'models' is neither s3://bucket/prefix nor file://folder"},
        {{.argv = {"--dataset", "."}}, "dataset: '.' contains the folder retrain-report"},
        {{.argv = {"--dataset", "a/.."}}, "dataset: 'a/..' contains the folder retrain-report"},
        {{.argv = {"--store", "file://dataset/models"}},
         "store: 'file://dataset/models' lies inside the dataset 'dataset'"},
        {{.host = "github", .argv = {"--dataset", "../other"}}, "dataset: '../other' leaves the workspace"},
        {{.host = "gitlab", .file = "dataset: a/../../other\n"}, "dataset: 'a/../../other' leaves the workspace"},
        {{.host = "github", .environment = {"INPUT_CONFIG=../x.yml"}}, "config: '../x.yml' leaves the workspace"},
        {{.host = "github", .argv = {"--store", "file://../m"}}, "store: '../m' leaves the workspace"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c;
        struct error e;
        if (load(&cases[i].setup, &c, &e))
            fail_msg("case %zu was accepted; expected: %s", i, cases[i].message);
        if (strncmp(e.message, cases[i].message, strlen(cases[i].message)))
            fail_msg("case %zu says: %s\n  expected: %s", i, e.message, cases[i].message);
        assert_int_equal(e.code, ERR_CONFIG);
    }
}

static void booleans_are_the_six_spellings(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "True", "TRUE"}, *const no[] = {"false", "False", "FALSE"};
    for (int i = 0; i < 3; i++) {
        struct config c;
        struct error e;
        struct setup on = {.environment = {arena_printf(&arena, "INPUT_FORCE=%s", yes[i])}};
        struct setup off = {.environment = {arena_printf(&arena, "INPUT_FORCE=%s", no[i]), "RETRAIN_FORCE=true"}};
        assert_true(load(&on, &c, &e));
        assert_true(c.force);
        assert_true(load(&off, &c, &e));
        assert_false(c.force);
    }
    struct config c;
    struct error e;
    assert_true(load(&(struct setup){.argv = {"--force"}}, &c, &e));
    assert_true(c.force);
    assert_true(load(&(struct setup){.argv = {"--force", "false"}}, &c, &e));
    assert_false(c.force);
    assert_true(load(&(struct setup){.argv = {"--force", "plan"}}, &c, &e));
    assert_string_equal(c.command, "plan");
}

static void augment_merges_by_key(void **state)
{
    (void)state;
    struct config c;
    struct error e;
    struct setup s = {.file = "augment:\n  mosaic: 0.5\n  fliplr: 0.25\n  hsv-h:\n",
                      .environment = {"RETRAIN_AUGMENT=fliplr=0.1, degrees=10"},
                      .argv = {"--augment", "degrees=20"}};
    assert_true(load(&s, &c, &e));
    assert_true(c.augment.mosaic == 0.5 && c.augment.fliplr == 0.1 && c.augment.degrees == 20);
    assert_true(c.augment.hsv_h == 0.015 && c.augment.close_mosaic == 10 && c.augment.scale == 0.5);
}

static void values_are_resolved(void **state)
{
    (void)state;
    struct config c;
    struct error e;
    struct setup s = {.file = "formats: [safetensors, onnx]\ntime-budget: 1h30m\nlearning-rate: auto\n",
                      .argv = {"--output-json", "out/x.json", "predict", "m.onnx", "a.jpg"}};
    assert_true(load(&s, &c, &e));
    assert_string_equal(c.formats, "onnx,safetensors");
    assert_true(c.want_onnx && c.want_safetensors && c.time_budget == 5400 && c.learning_rate == 0 && c.threads >= 1);
    assert_string_equal(c.output_json_path, arena_printf(&arena, "%s/out/x.json", folder));
    assert_string_equal(c.dataset_path, arena_printf(&arena, "%s/dataset", folder));
    assert_string_equal(c.command, "predict");
    assert_int_equal(c.n_arguments, 2);
    assert_string_equal(c.arguments[1], "a.jpg");
    assert_non_null(strstr(c.given, "time-budget 1h 30m (retrain.yml:2)"));

    /* an empty `args:` of a workflow, and paths that leave the workspace where nobody else wrote them */
    assert_true(load(&(struct setup){.argv = {"", "plan"}}, &c, &e));
    assert_string_equal(c.command, "plan");
    assert_true(load(&(struct setup){.argv = {"--dataset", "../x"}}, &c, &e));
    assert_true(load(&(struct setup){.host = "github", .argv = {"--dataset", "/data"}}, &c, &e));
}

static void failed_load_keeps_what_outputs_need(void **state)
{
    (void)state;
    struct config c;
    struct error e;
    assert_false(load(&(struct setup){.file = "nonsense: 1\n", .argv = {"run", "--output-json", "o.json"}}, &c, &e));
    assert_string_equal(c.command, "run");
    assert_string_equal(c.output_json_path, arena_printf(&arena, "%s/o.json", folder));
    assert_false(load(&(struct setup){.argv = {"--bogus"}}, &c, &e));
    assert_string_equal(c.output_json_path, "");
}

static const char *caught_log(void)
{
    static char text[8192];
    ssize_t n = pread(log_fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    assert_int_equal(ftruncate(log_fd, 0), 0);
    lseek(log_fd, 0, SEEK_SET);
    return text;
}

static void unknown_inputs_are_warnings(void **state)
{
    (void)state;
    struct config c;
    struct error e;
    struct setup s = {.host = "github",
                      .environment = {"INPUT_IMAGESIZE=96", "INPUT_COLOUR=red", "INPUT_ARGS=x", "INPUT_ENTRYPOINT=x",
                                      "INPUT_VERSION=v", "RETRAIN_EPOCS=3", "RETRAIN_BIN=x"}};
    caught_log();
    assert_true(load(&s, &c, &e));
    const char *text = caught_log();
    assert_non_null(strstr(text, "INPUT_IMAGESIZE: there is no option 'imagesize'; did you mean 'image-size'?"));
    assert_non_null(strstr(text, "INPUT_COLOUR: there is no input 'colour'"));
    assert_non_null(strstr(text, "INPUT_VERSION: 'version' is an option of the command line only"));
    assert_non_null(strstr(text, "RETRAIN_EPOCS: there is no option 'epocs'; did you mean 'epochs'?"));
    assert_null(strstr(text, "INPUT_ARGS"));
    assert_null(strstr(text, "INPUT_ENTRYPOINT"));
    assert_null(strstr(text, "RETRAIN_BIN"));

    /* INPUT_METHOD and its kind belong to desktops */
    assert_true(load(&(struct setup){.environment = {"INPUT_METHOD=fcitx"}}, &c, &e));
    assert_null(strstr(caught_log(), "INPUT_METHOD"));
}

/* GitLab hands RETRAIN_VERSION and its siblings to later jobs as variables. */
static void outputs_are_never_taken_for_options(void **state)
{
    (void)state;
    static const char *const names[] = {
#define OUTPUT_NAME(field, name, description) name,
        OUTPUTS(OUTPUT_NAME)};
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct option *o = option_find(str_of(names[i]));
        if (o && o->scope != OPTION_CLI)
            fail_msg("output %s is an option of the environment", names[i]);
    }
}

static void reals_print_shortest(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {{0, "0"},           {1, "1"},        {0.015, "0.015"},
                 {0.1, "0.1"},       {1e-5, "1e-05"}, {0.0005, "0.0005"},
                 {100000, "100000"}, {-3, "-3"},      {1.0 / 3, "0.3333333333333333"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        config_format_real(cases[i].x, text);
        assert_string_equal(text, cases[i].text);
    }
}

static int set_up(void **state)
{
    (void)state;
    char path[] = "/tmp/retrain-log-XXXXXX";
    log_fd = mkstemp(path);
    unlink(path);
    log_configure(&(struct log_options){.least = LOG_INFO, .fd = log_fd});
    return mkdtemp(folder) && log_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    struct error e;
    arena_free(&arena);
    return fs_remove_tree(folder, &e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),
        cmocka_unit_test(errors_name_option_place_and_cure),
        cmocka_unit_test(booleans_are_the_six_spellings),
        cmocka_unit_test(augment_merges_by_key),
        cmocka_unit_test(values_are_resolved),
        cmocka_unit_test(failed_load_keeps_what_outputs_need),
        cmocka_unit_test(unknown_inputs_are_warnings),
        cmocka_unit_test(outputs_are_never_taken_for_options),
        cmocka_unit_test(reals_print_shortest),
    };
    return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
