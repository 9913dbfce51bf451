/* Going on where an earlier job stopped, and seeing to it that a later one can. Private to the pipeline. */
#ifndef PIPELINE_RESUME_H
#define PIPELINE_RESUME_H

#include "pipeline/checkpoints.h"
#include "pipeline/job.h"

/* Brings the newest sound checkpoint of this version to j->checkpoint_path, unless it is there already. Damaged and foreign
 * ones are warnings. Sets j->n_jobs. `stored` is what the store has. */
MUST_CHECK bool resume_fetch(struct job *j, struct checkpoint_list *stored, bool *found, struct error *e);
/* From here on checkpoints go to the store, and the lease is renewed, in the background: opens j->keeper and j->heartbeat. */
MUST_CHECK bool resume_keep(struct job *j, const struct checkpoint_list *stored, struct error *e);
/* What training calls meanwhile. Nothing without a keeper. */
struct train_hooks resume_hooks(struct job *j);
/* Waits for the last checkpoint to be in the store. */
MUST_CHECK bool resume_settle(struct job *j, struct error *e);
void resume_end(struct job *j); /* closes both and lets other jobs train this version; again is fine */

#endif
