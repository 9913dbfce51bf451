/* Models that the quality gate refused, kept for inspection and for a second look by the next run:
 *
 *     rejected/<version>/manifest.json     written last; with an object "rejected" that says why
 *     rejected/<version>/model.safetensors and the other files that a published version has
 *
 * Nothing here is ever named by latest.json or listed as published. Its own uploads begin by writing a manifest without
 * artifacts, which counts as none but tells when they began, so that every file here belongs to something with an age.
 * The store's lock is not needed: a version is trained by one job at a time (store/training_lease.h); if two should store
 * the same one, a reader verifies what it fetches and at worst finds nothing. */
#ifndef STORE_REJECTED_H
#define STORE_REJECTED_H

#include "store/publish.h"

#define REJECTED_KEPT 5 /* the newest; older ones are removed */

/* Uploads the artifacts, fills in "artifacts" of the manifest and writes it. Replaces an earlier one of this version. */
MUST_CHECK bool rejected_put(struct store *s, const char *version, struct artifact *artifacts, size_t n, struct json *manifest,
                             struct error *e);
/* Writes the manifest of one that is there again: another reason, the same files. */
MUST_CHECK bool rejected_mark(struct store *s, const char *version, const struct json *manifest, struct error *e);
/* *manifest is owned; NULL when there is none whose files are all there. */
MUST_CHECK bool rejected_find(struct store *s, const char *version, struct json **manifest, struct error *e);
/* Sound ones, newest first; each a manifest, owned by the array. */
MUST_CHECK bool rejected_list(struct store *s, struct json **array, struct error *e);
MUST_CHECK bool rejected_remove(struct store *s, const char *version, struct error *e); /* absent is success */
/* Removes all but the newest REJECTED_KEPT, and uploads that were begun more than a week ago and never finished. */
MUST_CHECK bool rejected_prune(struct store *s, time_t now, struct error *e);

#endif
