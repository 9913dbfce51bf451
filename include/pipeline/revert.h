/* A push that takes the dataset back to an earlier state: its model is published, so latest.json goes back at once. */
#ifndef PIPELINE_REVERT_H
#define PIPELINE_REVERT_H

#include "pipeline/job.h"

/* The version of today's dataset and recipe, where that is published, was latest before, is not latest now, and nobody has
 * rolled back from it. With `initial-weights: latest` it may have begun with any weights: training anew from the latest ones
 * would be another version. *why_not: NULL when there is one; else why there is nothing to do. After job_version. */
MUST_CHECK bool revert_find(struct job *j, const char **version, const char **why_not, struct error *e);
/* Moves latest.json there. *why_not: NULL when it moved, with status published and outputs set. */
MUST_CHECK bool revert_try(struct job *j, const char **why_not, struct error *e);
/* Puts latest.json on a published version: outputs, summary, and the bad version removed where `delete` asks for it. */
MUST_CHECK bool revert_point(struct job *j, const char *version, enum history_why why, struct error *e);

#endif
