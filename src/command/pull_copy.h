/* What `pull` keeps on this disk: the model's files where the user wants them, and beside them a hidden folder with what
 * is known about them. docs/pull.md describes both for people.
 *
 *     DIR/model.onnx ...  DIR/manifest.json    and DIR/.pull/              for --output DIR
 *     DIR/detector.onnx                        and DIR/.detector.onnx.pull/ for --output DIR/detector.onnx
 *
 * In it: state.json, and files on their way, named by their checksum. Files get their final names by rename after all of
 * them have arrived, so who reads the old ones keeps them. */
#ifndef COMMAND_PULL_COPY_H
#define COMMAND_PULL_COPY_H

#include "core/arena.h"
#include "core/json.h"

struct pull_copy {
    const char *output; /* as people know it */
    const char *folder; /* of the files */
    const char *only;   /* the one artifact that --output names a file for; NULL = all of them */
    const char *file;   /* where that goes; NULL = below folder, by their names */
    const char *work;   /* the hidden folder */
    const char *store;  /* identity of the store: what another one left is not ours */
    struct json *state; /* of state.json; NULL = none, or another store's. Owned */
    struct arena *arena;
    int lock_fd; /* shared lock on the hidden folder while files are on their way; -1 = none */
};

/* `output`: a folder, or one file when it is there as a file or ends in .onnx or .safetensors. Reads state.json; a damaged
 * one counts as none. ERR_CONFIG, ERR_INTERNAL. */
MUST_CHECK bool pull_copy_open(struct pull_copy *c, const char *output, const char *store, struct arena *a, struct error *e);
void pull_copy_close(struct pull_copy *c);

/* The manifest that the files were fetched by, or NULL; borrowed from the copy. */
const struct json *pull_copy_manifest(const struct pull_copy *c);
/* The ETag of the object `key` when it was read last; "" = not known. */
const char *pull_copy_etag(const struct pull_copy *c, const char *key);

/* The i-th of the manifest's artifacts that this copy wants; NULL = there are no more. */
const struct json *pull_copy_artifact(const struct pull_copy *c, const struct json *manifest, size_t i);
/* Are the artifact's bytes in place? By size and time of the last change as recorded, else by checksum. */
bool pull_copy_has(const struct pull_copy *c, const struct json *artifact);
bool pull_copy_has_all(const struct pull_copy *c, const struct json *manifest);

/* Where the artifact is fetched to, made ready; *is_there = an earlier pull fetched it and was killed. */
MUST_CHECK bool pull_copy_prepare(struct pull_copy *c, const struct json *artifact, const char **path, bool *is_there,
                                  struct error *e);
/* Gives everything that was fetched its final name and records it: from here on the copy is of `manifest`. */
MUST_CHECK bool pull_copy_replace(struct pull_copy *c, const struct json *manifest, const char *key, const char *etag,
                                  struct error *e);

#endif
