/* Which job trains a version, when several could. */
#ifndef PIPELINE_CLAIM_H
#define PIPELINE_CLAIM_H

#include "pipeline/job.h"

#define CLAIM_WHO 768
#define CLAIM_HERE "another run in this workspace"

/* Takes the folder j->work_dir and the lease on training this version. A crashed holder is waited for, some minutes at most.
 * *taken = false: another job trains it; `who` says which. */
MUST_CHECK bool claim_take(struct job *j, bool *taken, char who[CLAIM_WHO], struct error *e);
/* The folder alone, for training without a store. ERR_CONFIG when another process has it. */
MUST_CHECK bool claim_folder(struct job *j, struct error *e);
void claim_release(struct job *j); /* what is held of both; again is fine */

#endif
