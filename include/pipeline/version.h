/* The name of a model: 12 hex digits of what it was trained on, a hyphen, 8 of how. docs/version.md shows how to
 * compute it by hand. */
#ifndef PIPELINE_VERSION_H
#define PIPELINE_VERSION_H

#include "config/config.h"

#define RETRAIN_RELEASE "0.1.0"

struct version {
    char name[12 + 1 + 8 + 1]; /* "3f9ac1d27b04-5be1c0aa" */
    char recipe_checksum[65];
};

/* dataset_checksum: 64 hex digits. initial_weights: SHA-256 of the weights' file in hex, or "none". */
void version_make(const struct config *c, const char *dataset_checksum, const char *initial_weights,
                  struct version *out);
/* Has the form of a version's name. */
bool version_is_name(const char *text);

#endif
