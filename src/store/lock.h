/* The store's lock: one process at a time changes what is visible (manifests, the pointer) or removes objects. Uploads,
 * which take long, need no lock. A killed holder is overcome: at once in a directory on the same machine, after
 * LEASE_STALE_S elsewhere.
 *
 * The lock keeps order. That nothing incomplete is ever visible does not depend on it, and where the store has
 * conditional writes, neither does that there is one winner: docs/stores-protocol.md. */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "store/store.h"

MUST_CHECK bool store_lock(struct store *s, struct error *e);
/* Before each write under the lock. *held = false: this process was stopped or slow for so long that others may have
 * taken the lock over: unlock, and start over. */
MUST_CHECK bool store_lock_keep(struct store *s, bool *held, struct error *e);
MUST_CHECK bool store_lock_check(struct store *s, struct error *e); /* the same, as an error */
void store_unlock(struct store *s); /* also when the lock was lost */

#endif
