/* One job trains a version: the lease checkpoints/<version>/training.json, for the hours that a training takes.
 * (store/lease.h is another thing: one process publishes, for seconds.)
 *
 * Taken with If-None-Match; renewed with If-Match while its holder lives; TRAINING_LEASE_SECONDS after the last renewal,
 * by the store's own clock (store_age), anybody may take it over with If-Match. So a crashed holder is overcome, and one
 * that was suspended finds at its next renewal that the lease is another's. Where the store has no conditional writes,
 * the store's lock keeps takers apart, and what remains is a holder that was suspended between looking and writing: then
 * the last writer has the lease and the other learns it at its next renewal.
 *
 * The lease says who trains, for people and to save work. That nothing wrong is published does not depend on it. */
#ifndef STORE_TRAINING_LEASE_H
#define STORE_TRAINING_LEASE_H

#include "core/clock.h"
#include "store/store.h"

#define TRAINING_LEASE_SECONDS 300.0
#define TRAINING_LEASE_RENEW_SECONDS 60.0 /* how often to renew: four failures in a row are survived */

/* Plain data without pointers: it may be copied to the thread that renews it, with that thread's own store. */
struct training_lease {
    char version[65];
    char holder[33]; /* random; "" = nothing is held */
    char host[16], run_url[512];
    char since[CLOCK_RFC3339];
    unsigned n_renewed; /* each renewal has other bytes, and so another etag */

    double other_left_s; /* out, not taken: seconds until the other's lease ends unless it is renewed */
};

/* Who asks, for the others' messages. */
struct training_lease_about {
    const char *host, *run_url; /* "github", "https://..."; "" when unknown */
    const char *predecessor;    /* holder of a job that is known to be dead: no need to wait for its lease's end; NULL = none */
};

/* *taken = false: another job holds it; holder_text says which, since when, and how long ago it was renewed. Failure: the
 * store's. stale_s: TRAINING_LEASE_SECONDS but in tests. */
MUST_CHECK bool training_lease_take(struct store *s, const char *version, const struct training_lease_about *about,
                                    double stale_s, struct training_lease *lease, bool *taken, char holder_text[768],
                                    struct error *e);
/* *held = false: it is another's by now, or was removed: stop training this version. On failure (of the store or the
 * network) it may still be ours: try again. */
MUST_CHECK bool training_lease_renew(struct store *s, struct training_lease *lease, bool *held, struct error *e);
/* Removes it if it is still ours. Never fails: what is left behind ends by itself. Nothing held is fine. */
void training_lease_release(struct store *s, struct training_lease *lease);

#endif
