/* A thread that renews the lease on training a version, beside whatever else goes to the store and for however long: it has
 * a store of its own. Private to the pipeline. */
#ifndef PIPELINE_HEARTBEAT_H
#define PIPELINE_HEARTBEAT_H

#include "store/training_lease.h"

struct heartbeat; /* opaque */

/* The store and the lease, which was taken, become the heartbeat's. */
struct heartbeat *heartbeat_open(struct store *s, const struct training_lease *lease);
/* Another job has the lease: this one was suspended, or cut off from the store, for minutes. */
bool heartbeat_has_lost(struct heartbeat *h);
void heartbeat_close(struct heartbeat *h); /* gives the lease back; NULL is fine */

#endif
