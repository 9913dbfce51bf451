/* The options of a run, parsed, checked and resolved. The table of them all is action/options.def.
 *
 * An option `image-size` comes from, in falling precedence: --image-size; INPUT_IMAGE-SIZE or INPUT_IMAGE_SIZE;
 * RETRAIN_IMAGE_SIZE; `image-size:` in retrain.yml; its default. Empty counts as not given, values are trimmed.
 * Every error names the option, where its value came from and the nearest known name. All text is the arena's. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/json.h"
#include "core/str.h"
#include "host/host.h"

/* The keys of the option `augment`, as numbers of the recipe; the trainer copies them into its own struct. */
struct config_augment {
    double mosaic, fliplr, flipud, hsv_h, hsv_s, hsv_v, translate, scale, degrees, shear;
    double close_mosaic; /* a whole number: last epochs without mosaic */
};

struct config {
    const char *dataset; /* as the user named it, for messages; dataset_path is what to open */
    const char *dataset_format;
    double val_fraction;

    const char *store, *endpoint_url, *region, *addressing_style, *role_to_assume, *audience; /* "" = not given */

    const char *recipe; /* a name that recipe_find knows */
    const char *model;  /* "n", "s", "m" */
    int image_size, batch_size, seed;
    int epochs; /* 0 = auto: as many as fit into the budget */
    const char *optimizer; /* "auto", "sgd", "adamw" */
    const char *convolution; /* "auto", "direct" */
    double learning_rate;  /* 0 = auto */
    double final_lr_fraction, weight_decay, momentum, warmup_epochs;
    int patience; /* 0 = never stop early */
    const char *initial_weights;
    struct config_augment augment;

    int threads;                          /* resolved: never 0 */
    double time_budget, checkpoint_every, role_duration; /* seconds */
    bool continues;
    int max_jobs;
    const char *token; /* secret; "" = not given */
    bool force, smoke;
    const char *kernels;

    double min_map50, max_map50_drop;
    bool on_revert;
    const char *formats; /* "onnx,safetensors": chosen words in the table's order */
    bool onnx_dynamic_batch;
    int keep_versions;

    const char *log_format, *output_json, *config;

    const char *output, *wanted_version, *annotate; /* "" = not given */
    bool show_manifest, delete_version, offline_ok, plan_kernels;
    double confidence, iou; /* confidence: 0.001 for eval when not given */
    bool square;
    int max_detections;
    const char *part; /* "val", "test", "train" */

    /* Resolved from the above. */
    const char *command;          /* "run" when none was named */
    const char *const *arguments; /* what follows the command and is not an option */
    int n_arguments;
    const char *workspace;        /* absolute; relative paths start here */
    const char *dataset_path;     /* openable */
    const char *output_json_path; /* openable or "" */
    const char *report_dir;       /* workspace/retrain-report */
    bool want_onnx, want_safetensors;
    const char *given; /* "image-size 64 (--image-size), epochs 2 (retrain.yml:3)"; "" = defaults only */
};

struct config_input {
    int argc;
    const char *const *argv;        /* as main got it */
    const char *const *environment; /* NAME=value, NULL-terminated */
    const struct host *host;
    struct arena *arena; /* the run's arena: strings of the config live there */
};

/* ERR_CONFIG. On failure `out` still holds what was understood, so that outputs can be set: command and
 * output_json_path are always usable. */
MUST_CHECK bool config_load(const struct config_input *in, struct config *out, struct error *e);

/* The recipe: "name=value\n" lines in byte order of every option that changes the weights, in canonical spelling, and
 * engine=N. initial_weights is the SHA-256 of the weights' file in hex or "none". */
void config_recipe_text(const struct config *c, const char *initial_weights, int engine, struct str_buf *out);
/* The same as an object for manifest.json; owned by the caller. Numbers stay numbers. */
struct json *config_recipe_json(const struct config *c, const char *initial_weights, int engine);

/* Shortest decimal text that reads back as the same double: "0.015", "1", "1e-05". */
void config_format_real(double x, char out[32]);

/* Path resolved against the workspace; for positional arguments. */
char *config_path(const struct config *c, struct arena *a, const char *path);

/* The commands: X(name, arguments, least and most of them, sentence). */
#define CONFIG_COMMANDS(X)                                                                                             \
    X(run, "", 0, 0, "the whole job: version, skip or train, gate, publish, report (the default)")                     \
    X(plan, "", 0, 0, "say what run would do and why; write nothing")                                                  \
    X(version, "", 0, 0, "print the version of this dataset and recipe (--manifest: the dataset's manifest)")          \
    X(check, "", 0, 0, "check configuration, dataset, credentials and permissions")                                    \
    X(train, "", 0, 0, "train and write the model's files to --output DIR; no store")                                  \
    X(eval, "MODEL", 1, 1, "measure a model on the held-back images")                                                  \
    X(predict, "MODEL IMAGE...", 2, 1000000,                                                                           \
      "print detections in images, folders, patterns as JSON lines (--annotate DIR draws them)")                       \
    X(pull, "", 0, 0, "fetch the latest (or --version) model to --output, a file or a folder, verified")               \
    X(list, "", 0, 0, "print the published versions with their metrics")                                               \
    X(rollback, "[VERSION]", 0, 1, "point latest.json at the previous good or the named version (--delete, --on-revert)")           \
    X(help, "[NAME]", 0, 1, "print this page, or that of one command or option")

#endif
