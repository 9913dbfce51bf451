/* A push that takes the dataset back to an earlier state: its model is published, so latest.json goes back at once. */
#ifndef PIPELINE_REVERT_H
#define PIPELINE_REVERT_H

#include "pipeline/job.h"

/* Moves latest.json to the version of today's dataset and recipe, where that is published, was latest before, is not latest
 * now, and nobody has rolled back from it. With `initial-weights: latest` the published version may have begun with any
 * weights: training anew from the latest ones would be another version. *why: NULL when it moved, with status published and
 * outputs set; else why there was nothing to do. After job_version. */
MUST_CHECK bool revert_try(struct job *j, const char **why, struct error *e);
/* Puts latest.json on a published version: outputs, summary, and the bad version removed where `delete` asks for it. */
MUST_CHECK bool revert_point(struct job *j, const char *version, enum history_why why, struct error *e);

#endif
