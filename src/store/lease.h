/* One process at a time, on a store that only writes, lists and deletes objects: no conditional write, no clock of the
 * server's, no process that must stay alive.
 *
 * Burns and Lynch's one-bit algorithm ("Bounds on shared memory for mutual exclusion", 1993), a flag being an object
 * below locks/: raise yours, look; if somebody of higher rank has theirs up, lower yours and start over; else wait until
 * nobody of lower rank has one. It needs that a listing shows what was written before it, and nothing about time.
 *
 * Time comes in where a holder was killed: a flag that was watched for stale_s is removed. So a holder renews its flag
 * (lease_keep) and stops writing when it did not manage in time. What is left is a request that the server carries out
 * more than half of stale_s after it was sent; the callers' conditional writes catch that one where the store has them. */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/store.h"

#define LEASE_STALE_S 20.0
#define LEASE_WAIT_S 900.0 /* sixteen at once on a machine that has no time for them took 300 */

struct lease {
    char key[64];  /* of our flag; "" = none is up */
    char rank[17]; /* smaller is higher; a new one for each attempt */
    unsigned n_renewed;
    double since; /* clock_seconds() before the flag was last raised or renewed */
};

/* stale_s: LEASE_STALE_S but in tests. ERR_STORE after LEASE_WAIT_S. */
MUST_CHECK bool lease_take(struct store *s, struct lease *l, double stale_s, struct error *e);
/* Before each write under the lease. *held = false: it took too long, others may be at work: start over. */
MUST_CHECK bool lease_keep(struct store *s, struct lease *l, double stale_s, bool *held, struct error *e);
void lease_release(struct store *s, struct lease *l);

#endif
