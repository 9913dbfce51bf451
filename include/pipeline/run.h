/* The main job. */
#ifndef PIPELINE_RUN_H
#define PIPELINE_RUN_H

#include "pipeline/job.h"

/* Checksum, skip or train, gate, publish, report. Sets j->outputs and, as far as it came, the report; on failure the error
 * is complete. ERR_STOPPED: a stop signal ended it. */
MUST_CHECK bool pipeline_run(struct job *j, struct error *e);

#endif
