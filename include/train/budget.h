/* The clock of a job: when it must be over, and how long what comes after training takes. Everything is measured while the
 * run goes along; until a thing was measured, a cautious guess stands in. Times are in seconds, moments of clock_seconds(). */
#ifndef TRAIN_BUDGET_H
#define TRAIN_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
    double end;    /* of the job; 0 = it may take as long as it wants */
    double length; /* of a job like this one, from its start to its end; what later jobs will have */
    double opened; /* when training asked for time first: 0 = not yet */
    bool is_far;   /* the store is behind a network: an upload takes time before one was seen */

    /* The slowest seen; 0 = none yet. */
    double batch_seconds;
    double validate_seconds;
    double save_seconds;     /* writing a checkpoint */
    double upload_seconds;   /* bringing one into the store */
    double checkpoint_bytes; /* of the last one written, or as reckoned before the first */
};

void budget_saw(double *slowest, double seconds);

/* What must be left when training stops: to write the checkpoint, to upload it, to report. */
double budget_reserve_to_stop(const struct budget *b);
/* What must be left when training is finished: to measure, to gate, to export, to upload the model, to publish, to report. */
double budget_reserve_to_finish(const struct budget *b);
/* Would `seconds` of work, and the reserve after it, end too late? A reserve never takes more than half of the time that
 * was left when training began: each job gets on. */
bool budget_lacks(const struct budget *b, double now, double seconds, double reserve);
/* Seconds until `reserve` begins; HUGE_VAL without an end. */
double budget_left(const struct budget *b, double now, double reserve);

/* How many jobs, this one included, does so much training still take? 1 = it fits into this one. 0 = nobody can say: the
 * jobs are too short for any progress. */
int budget_jobs(const struct budget *b, double now, double seconds);

#endif
