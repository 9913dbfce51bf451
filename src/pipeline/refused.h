/* Models that the gate refused: kept in the store, and asked about again by the next run. */
#ifndef PIPELINE_REFUSED_H
#define PIPELINE_REFUSED_H

#include "pipeline/stages.h"

/* Stores the model, its report and `why` under rejected/<version>/, sets status and headline, and clears the checkpoint
 * once that is done (j->is_refused_kept). and says where in `why`. Trouble is a warning. */
void refused_keep(struct job *j, const struct trained *t, struct json *manifest, struct error *why);
/* A model of this version that an earlier run's gate refused: j->refused is its manifest, and *t what training would give.
 * Else, and with `force`, j->refused stays NULL. */
MUST_CHECK bool refused_find(struct job *j, struct trained *t, struct error *e);
/* j->refused as the manifest of a publication now; owned by the caller. */
struct json *refused_manifest(const struct job *j);
/* After it was published. */
void refused_forget(struct job *j);

#endif
