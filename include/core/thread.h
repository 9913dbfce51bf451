/* A pool of worker threads and one way to use it: run fn(ctx, item, worker) for every item of 0..n-1.
 *
 * Results must not depend on which worker takes which item or on how many workers there are: an item owns its
 * outputs, reductions are done by item index afterwards. The caller's thread is worker 0 and works too.
 * pool_run returns when all items are done; it must not be called from inside an item. */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

typedef void (*pool_fn)(void *ctx, int item, int worker);

struct pool; /* opaque */

struct pool *pool_open(int n_threads); /* >= 1; aborts if threads cannot be made */
void pool_close(struct pool *p);       /* NULL is fine */
int pool_size(const struct pool *p);
/* p NULL = run on the calling thread alone. Items are taken in order, one at a time (dynamic). */
void pool_run(struct pool *p, int n_items, pool_fn fn, void *ctx);

/* A thread beside all that, for what takes long and computes little. Signals stay with the other threads, whose sleeps they
 * end. Aborts if no thread can be made. */
struct thread; /* opaque */
struct thread *thread_start(void (*fn)(void *ctx), void *ctx);
void thread_join(struct thread *t); /* waits for fn to return */
/* From now on the calling thread runs only where others of this machine leave a core idle, for good. No effect where the
 * system has no such class. */
void thread_give_way(void);

/* CPUs that this process may use: affinity mask and cgroup v1/v2 CPU quota (rounded up); at least 1. */
int cpu_count(void);
/* "AMD EPYC 7763 64-Core Processor" or "unknown"; borrowed static text. */
const char *cpu_name(void);

#endif
