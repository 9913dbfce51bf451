/* The long part of a publication: the artifacts, before anything of the version is visible. Needs no lock. */
#ifndef STORE_UPLOAD_H
#define STORE_UPLOAD_H

#include "store/publish.h"

/* Our word that we are uploading this version: checkpoints/<version>/uploading-<random>. It keeps others from removing
 * what is there without a manifest, and from writing under the plain names. */
struct upload_claim {
    char key[160]; /* "" = none */
    bool is_sole;  /* nobody else had one when we looked, after ours was up */
};
MUST_CHECK bool upload_claim(struct store *s, const char *version, time_t now, struct upload_claim *claim, struct error *e);
MUST_CHECK bool upload_unclaim(struct store *s, struct upload_claim *claim, struct error *e);
/* Under the lock, for a published version: removes artifacts and claims that another publisher of it, killed or beaten,
 * has left. One that is still uploading has lost already. */
MUST_CHECK bool upload_tidy(struct store *s, const char *version, const struct json *manifest, struct error *e);

#define UPLOAD_CLAIM_DEAD_S (7 * 24 * 3600.0) /* no upload takes a week */
/* Is somebody uploading this version, or was within UPLOAD_CLAIM_DEAD_S? */
MUST_CHECK bool upload_is_claimed(struct store *s, const char *version, time_t now, bool *is_claimed, struct error *e);
/* Of every version: what killed runs have left longer ago than that. */
MUST_CHECK bool upload_unclaim_dead(struct store *s, time_t now, struct error *e);

/* Uploads what is not there yet and writes "artifacts" into the manifest: name, key, sha256, size of each. */
MUST_CHECK bool upload_artifacts(struct store *s, const char *version, const struct upload_claim *claim,
                                 struct artifact *artifacts, size_t n, struct json *manifest, struct error *e);

#endif
