/* Chains of jobs: one that ends with a checkpoint because its budget is over starts the next. */
#ifndef PIPELINE_CHAIN_H
#define PIPELINE_CHAIN_H

#include "pipeline/job.h"

/* Starts the job that goes on, where `continue` asks for it and the host lets it. What happens next, or what a person is to
 * do, in words that end a sentence. Nothing fails: the checkpoint is safe. The lease on training must have been released,
 * or the next job would find it taken. */
const char *chain_next(struct job *j);

/* Says what will keep `continue` from starting one, before hours are spent. */
void chain_warn(const struct job *j);

/* When this job began, asked of the host's API where that is better than what its variables tell: seconds ago. False: not
 * known. At most two seconds. */
bool chain_job_age(struct job *j, double *age_s);

#endif
