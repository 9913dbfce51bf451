/* The outputs of a run, set on every path: what the next step of a workflow reads. */
#ifndef PIPELINE_OUTPUTS_H
#define PIPELINE_OUTPUTS_H

#include "core/json.h"
#include "host/host.h"
#include "store/store.h"

/* X(field, name, description): the `outputs:` of action.yml and docs/options.md are made from it. */
#define OUTPUTS(X)                                                                                                     \
    X(status, "status", "published, skipped, checkpointed, rejected, planned or failed; of pull: pulled, current or kept")                               \
    X(version, "version", "version of the model: dataset checksum and recipe checksum, shortened")                     \
    X(dataset_checksum, "dataset-checksum", "SHA-256 of the dataset's manifest")                                       \
    X(map50, "map50", "mAP at IoU 0.50 on the held-back images")                                                       \
    X(map50_95, "map50-95", "mAP averaged over IoU 0.50 to 0.95")                                                      \
    X(model_key, "model-key",                                                                                          \
      "key of the model in the store, below the store's prefix; this and the next two are empty for a rejected model")  \
    X(model_url, "model-url", "address of the model in the store")                                                     \
    X(model_sha256, "model-sha256", "SHA-256 of the model file")                                                       \
    X(report, "report", "the report, relative to the workspace")

struct outputs {
#define OUTPUT_FIELD(field, name, description) const char *field; /* NULL or "" = unknown */
    OUTPUTS(OUTPUT_FIELD)
#undef OUTPUT_FIELD
};

/* Fills metrics and model fields from a manifest; NULL leaves them. store may be NULL. Text is the arena's. */
void outputs_from_manifest(struct outputs *out, const struct json *manifest, const struct store *store,
                           struct arena *a);

/* To the host, and to json_path unless "": an object with the same names, metrics as numbers, null where unknown, and
 * `error` with the message of a failed run. A file that cannot be written is a warning. */
void outputs_set(const struct outputs *out, const struct host *h, const char *json_path, const char *error_message);

#endif
