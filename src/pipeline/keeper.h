/* A thread that keeps a training's work safe while it goes on: checkpoints go to the store in the background. It has a
 * store of its own. Private to the pipeline. */
#ifndef PIPELINE_KEEPER_H
#define PIPELINE_KEEPER_H

#include "pipeline/checkpoints.h"

struct keeper; /* opaque */

struct keeper_options {
    struct store *store; /* becomes the keeper's */
    const char *version;
    const char *checkpoint_path; /* what training writes; it may be replaced while it is uploaded */
    struct checkpoint_list stored;
};

/* Strings are borrowed. */
struct keeper *keeper_open(const struct keeper_options *o);
/* A new checkpoint is at checkpoint_path: upload it, after the one that is under way. Returns at once; what is offered before
 * that is replaced. */
void keeper_offer(struct keeper *k, const struct train_position *at);
/* Waits until what was offered last is stored, or failed. After a stop signal the upload has seconds only. */
MUST_CHECK bool keeper_settle(struct keeper *k, struct error *e);
/* The slowest upload so far in seconds, reading the file included; 0 = none yet. */
double keeper_upload_seconds(struct keeper *k);
/* Ends the upload that is under way first. NULL is fine. */
void keeper_close(struct keeper *k);

#endif
