#include "pipeline/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"
#include "core/thread.h"

#define RETRY_S 15.0

struct heartbeat {
    struct store *store;         /* the thread's own until it has ended */
    struct training_lease lease; /* likewise */
    struct thread *thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t closing;
    bool is_closing, is_lost;
};

/* With the lock. False: it is time to end. */
static bool wait_for(struct heartbeat *h, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    while (!h->is_closing && pthread_cond_timedwait(&h->closing, &h->lock, &until) != ETIMEDOUT)
        ;
    return !h->is_closing;
}

static void work(void *arg)
{
    struct heartbeat *h = arg;
    double due = TRAINING_LEASE_RENEW_SECONDS;
    pthread_mutex_lock(&h->lock);
    while (!h->is_lost && wait_for(h, due)) {
        struct error e = {0};
        bool held = false;
        if (stop_requested()) /* the end is near, and giving the lease back has requests of its own */
            continue;
        pthread_mutex_unlock(&h->lock);
        bool ok = training_lease_renew(h->store, &h->lease, &held, &e);
        if (!ok && !stop_requested())
            log_debug("%s", e.message);
        pthread_mutex_lock(&h->lock);
        h->is_lost = ok && !held;
        due = ok ? TRAINING_LEASE_RENEW_SECONDS : RETRY_S;
    }
    pthread_mutex_unlock(&h->lock);
}

struct heartbeat *heartbeat_open(struct store *s, const struct training_lease *lease)
{
    struct heartbeat *h = mem_alloc(sizeof *h);
    pthread_condattr_t monotonic; /* wall clocks are set while we wait */
    *h = (struct heartbeat){.store = s, .lease = *lease};
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->closing, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->thread = thread_start(work, h);
    return h;
}

bool heartbeat_has_lost(struct heartbeat *h)
{
    pthread_mutex_lock(&h->lock);
    bool is_lost = h->is_lost;
    pthread_mutex_unlock(&h->lock);
    return is_lost;
}

void heartbeat_close(struct heartbeat *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->is_closing = true;
    pthread_cond_signal(&h->closing);
    pthread_mutex_unlock(&h->lock);
    thread_join(h->thread);
    training_lease_release(h->store, &h->lease);
    store_close(h->store);
    pthread_cond_destroy(&h->closing);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}
