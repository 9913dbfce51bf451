/* The throw-away folder that a smoke run publishes to, in the run's real store. Private to the pipeline.
 *
 *     smoke/<random>.began    written first, removed last: so whatever a killed run leaves is found by it
 *     smoke/<random>/...      a store of its own: versions/, latest.json, locks
 *
 * Nothing else of the store is written, so runs beside it are not disturbed, and a role that may write below smoke/ only
 * is enough. */
#ifndef PIPELINE_SMOKE_FOLDER_H
#define PIPELINE_SMOKE_FOLDER_H

#include "pipeline/job.h"

struct smoke_folder {
    struct job *job;
    const char *id;      /* <random> */
    struct store *store; /* the folder as a store; NULL until it is open */
    bool may_be_there;   /* so there is something to remove */
};

/* j->store is open. Proves that the folder can be written, then removes what smoke runs have left that were killed over an
 * hour ago by the store's clock. */
MUST_CHECK bool smoke_folder_open(struct job *j, struct smoke_folder *f, struct error *e);
/* Once more after a failure does no harm. After a stop signal it has four seconds. */
MUST_CHECK bool smoke_folder_remove(struct smoke_folder *f, struct error *e);
void smoke_folder_close(struct smoke_folder *f); /* safe on zero */

#endif
