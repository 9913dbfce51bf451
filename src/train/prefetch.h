/* Batches one ahead: while the pool trains one, a thread of its own makes samples of the next where cores would idle: at the
 * ends of layers, whose last pieces not all threads share. What it has not finished when the batch is due is made by the pool,
 * the sample it is at included: nobody waits for that thread. Who made a sample does not show in it (train/batch.h).
 *
 *     struct batch *b = prefetch_take(p, &range, &ok);
 *     prefetch_begin(p, &next);
 *     ... train b, which stays as it is until the next prefetch_take ... */
#ifndef TRAIN_PREFETCH_H
#define TRAIN_PREFETCH_H

#include "core/thread.h"
#include "train/batch.h"

struct prefetch; /* opaque */

/* pool NULL, or of one thread: no thread of its own, since one core was asked for. What it points to outlives it. */
struct prefetch *prefetch_open(const struct batch_source *source, int capacity, struct pool *pool);
void prefetch_close(struct prefetch *p); /* NULL is fine */

/* The batch of a range; what was begun of it is used, of another range is dropped. *ok is false when a file vanished. */
struct batch *prefetch_take(struct prefetch *p, const struct batch_range *range, bool *ok);
/* Once after each prefetch_take, if at all. */
void prefetch_begin(struct prefetch *p, const struct batch_range *range);
/* How many samples the thread had ready in time, of all taken. */
long prefetch_ready(const struct prefetch *p);

#endif
