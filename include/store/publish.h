/* Versions in a store: the layout and the protocol of docs/stores-protocol.md. Artifacts first, one small manifest last,
 * then read back and compared; then the pointer. Whatever changes manifests or the pointer takes the store's lock. */
#ifndef STORE_PUBLISH_H
#define STORE_PUBLISH_H

#include "core/json.h"
#include "store/history.h"
#include "store/store.h"

struct artifact {
    const char *name; /* "model.onnx": letters, digits, "-._" */
    const char *path; /* local file */
    const char *content_type;
    char sha256[65];    /* filled by publish */
    uint64_t size_bytes; /* filled by publish */
};

enum version_state { VERSION_ABSENT, VERSION_PUBLISHED, VERSION_INCOMPLETE };

/* The artifact of that name in a manifest; NULL = there is none. */
const struct json *manifest_artifact(const struct json *manifest, const char *name);
/* Downloads one, by an entry of a manifest's "artifacts" (NULL: fails), verified, to `path`. */
MUST_CHECK bool manifest_fetch(struct store *s, const struct json *artifact, const char *path, struct error *e);

/* Is this version published? VERSION_INCOMPLETE: a manifest whose artifacts are missing or short; `missing` then says
 * which. On VERSION_PUBLISHED *manifest is the parsed manifest.json (owned by the caller). */
MUST_CHECK bool publish_find(struct store *s, const char *version, enum version_state *state, struct json **manifest,
                             char missing[256], struct error *e);

/* Uploads the artifacts, fills "artifacts" (and "created_at" if absent) in the manifest object, writes
 * versions/<version>/manifest.json, reads it back, moves latest.json forward. *already = another run published the
 * same version first: nothing of ours is visible, *manifest is replaced by theirs. */
MUST_CHECK bool publish_version(struct store *s, const char *version, struct artifact *artifacts, size_t n_artifacts,
                                struct json **manifest, bool *already, time_t now, struct error *e);

/* For a run that found its version published (the skip): if the run that published it was killed between the manifest
 * and the pointer, moves latest.json forward now; else does nothing, so a rollback stays. One small request. */
MUST_CHECK bool publish_settle(struct store *s, const struct json *manifest, struct error *e);

/* latest.json ("" as version) or the manifest of one version, for those who fetch what it lists: its artifacts are not
 * looked at. `known` is the etag of the copy that the caller has, "" = none; *found may be STORE_UNCHANGED only then,
 * with *out NULL. Exactly one request. ERR_STORE when what is there is damaged or too new. */
MUST_CHECK bool publish_read(struct store *s, const char *version, const char *known, enum store_found *found,
                             struct json **out, char etag[128], struct error *e);

/* latest.json, or absent. *out is owned by the caller. */
MUST_CHECK bool publish_latest(struct store *s, enum store_found *found, struct json **out, struct error *e);
/* Moves the pointer to a published version, forward or back. */
MUST_CHECK bool publish_point(struct store *s, const char *version, enum history_why why, struct error *e);
/* Published versions, newest first by created_at then version; each a manifest, owned by the array. */
MUST_CHECK bool publish_list(struct store *s, struct json **array, struct error *e);
/* Removes one version, manifest first. Refuses the one latest.json names. */
MUST_CHECK bool publish_delete(struct store *s, const char *version, struct error *e);
/* Removes the oldest versions beyond `keep` (0 = keep all), never the pointed-to one; then what interrupted removals
 * and uploads have left. Versions that cannot be removed do not keep it from the others; the first error is told. */
MUST_CHECK bool publish_prune(struct store *s, int keep, time_t now, int *n_removed, struct error *e);

#endif
