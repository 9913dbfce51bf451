/* Leakage: has a model seen in training what is held back today? Its split.sha256 tells, compared with today's parts. It
 * cannot happen with the split by hash, unless val-fraction changes; where the dataset names its parts, an image may move. */
#ifndef PIPELINE_LEAKAGE_H
#define PIPELINE_LEAKAGE_H

#include "core/json.h"
#include "dataset/parts.h"

struct job;

enum leakage_status { LEAKAGE_NOT_ASKED, LEAKAGE_UNKNOWN, LEAKAGE_NONE, LEAKAGE_FOUND };

struct leakage {
    enum leakage_status status;
    const char *version; /* of the other model; NULL = not one of the store */
    struct parts_overlap n;
};

/* manifest: of the other model; NULL when it is none of the store's. After job_scan. *split: the text of its split.sha256,
 * in the run's arena; empty where there is none. Models from before that file are LEAKAGE_UNKNOWN, and so are those that
 * began with such weights, unless something is found. Trouble is LEAKAGE_UNKNOWN too. */
void leakage_check(struct job *j, const struct json *manifest, struct str *split, struct leakage *out);
/* {"status": "none", "version": ..., "validation_trained_on": 0, "training_held_back": 0}; owned by the caller. */
struct json *leakage_json(const struct leakage *x);
/* One sentence for people, beginning with `who` ("the initial weights"); "" when there is nothing to say. */
const char *leakage_text(const struct leakage *x, const char *who, struct arena *a);

#endif
