#include "pipeline/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"

#define RETRY_RENEWAL_S 15.0
#define SECONDS_AFTER_STOP 4.0 /* GitHub: SIGTERM comes 7.5 seconds after SIGINT, SIGKILL at 10 */

struct keeper {
    struct keeper_options o;
    struct arena arena;
    const char *snapshot; /* a second name of the checkpoint's file: training puts a new file at the first meanwhile */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct train_position offered;
    bool is_offered, is_busy, is_closing, is_lost;
    double renew_at; /* clock_seconds(); the thread's own */
    double upload_seconds;
    struct error trouble; /* why the last upload failed; ERR_NONE when it did not */
};

/* The file that is at checkpoint_path now, under a name that stays. */
static bool take_snapshot(const struct keeper *k, struct error *e)
{
    if (!fs_remove(k->snapshot, e))
        return false;
    if (link(k->o.checkpoint_path, k->snapshot) == 0)
        return true;
    if (errno == ENOENT)
        return fail(e, ERR_INTERNAL, "%s is not there", k->o.checkpoint_path);
    return fs_copy_atomic(k->o.checkpoint_path, k->snapshot, e); /* a file system without hard links */
}

static bool upload(struct keeper *k, const struct train_position *at, struct error *e)
{
    struct error ignored;
    if (stop_requested()) /* this is the one thing that is still worth a request; the host kills us soon */
        store_allow_after_stop(k->o.store, SECONDS_AFTER_STOP);
    bool ok = take_snapshot(k, e) && checkpoints_add(k->o.store, k->o.version, k->snapshot, at, &k->o.stored, e);
    if (!fs_remove(k->snapshot, &ignored))
        log_debug("%s", ignored.message);
    return ok || fail_in(e, "checkpoint");
}

/* Called and left with the lock, as the two below. */
static void upload_offered(struct keeper *k)
{
    struct train_position at = k->offered;
    struct error e = {0};
    k->is_offered = false;
    k->is_busy = true;
    pthread_mutex_unlock(&k->lock);
    double from = clock_seconds();
    bool ok = upload(k, &at, &e);
    double took = clock_seconds() - from;
    pthread_mutex_lock(&k->lock);
    k->is_busy = false;
    k->trouble = e;
    if (ok && took > k->upload_seconds)
        k->upload_seconds = took;
    if (ok)
        log_debug("checkpoint of epoch %d in %s after %.1f s", at.epoch, store_url(k->o.store), took);
    else if (!k->is_offered && !stop_requested())
        log_warning("%s; it is on this machine, and training goes on", e.message);
    pthread_cond_broadcast(&k->changed);
}

static void renew(struct keeper *k)
{
    struct error e = {0};
    bool held = false;
    pthread_mutex_unlock(&k->lock);
    bool ok = training_lease_renew(k->o.store, &k->o.lease, &held, &e);
    k->renew_at = clock_seconds() + (ok ? TRAINING_LEASE_RENEW_SECONDS : RETRY_RENEWAL_S);
    if (!ok && !stop_requested())
        log_debug("%s", e.message);
    pthread_mutex_lock(&k->lock);
    k->is_lost |= ok && !held;
}

static void wait_for_work(struct keeper *k)
{
    double seconds = k->is_lost ? TRAINING_LEASE_RENEW_SECONDS : k->renew_at - clock_seconds();
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    seconds = seconds > 0 ? seconds : 0;
    until.tv_sec += (time_t)seconds + 1;
    pthread_cond_timedwait(&k->changed, &k->lock, &until);
}

static void *work(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->is_closing || k->is_offered) {
        if (!k->is_lost && !stop_requested() && clock_seconds() >= k->renew_at)
            renew(k);
        else if (k->is_offered)
            upload_offered(k);
        else
            wait_for_work(k);
    }
    pthread_mutex_unlock(&k->lock);
    training_lease_release(k->o.store, &k->o.lease);
    return NULL;
}

struct keeper *keeper_open(const struct keeper_options *o)
{
    struct keeper *k = mem_alloc(sizeof *k);
    sigset_t all, before;
    *k = (struct keeper){.o = *o};
    k->snapshot = arena_printf(&k->arena, "%s/uploading.bin", fs_dir(&k->arena, o->checkpoint_path));
    pthread_mutex_init(&k->lock, NULL);
    k->renew_at = clock_seconds() + TRAINING_LEASE_RENEW_SECONDS;
    pthread_condattr_t monotonic; /* wall clocks are set while we wait */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&k->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all); /* signals are the main thread's, whose sleeps they end */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&k->thread, NULL, work, k))
        BUG("no thread for the keeper: %s", strerror(errno));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return k;
}

void keeper_offer(struct keeper *k, const struct train_position *at)
{
    pthread_mutex_lock(&k->lock);
    k->offered = *at;
    k->is_offered = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

bool keeper_settle(struct keeper *k, struct error *e)
{
    pthread_mutex_lock(&k->lock);
    while (k->is_offered || k->is_busy)
        pthread_cond_wait(&k->changed, &k->lock);
    bool ok = k->trouble.code == ERR_NONE;
    if (!ok)
        *e = k->trouble;
    pthread_mutex_unlock(&k->lock);
    return ok;
}

bool keeper_has_lost(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool is_lost = k->is_lost;
    pthread_mutex_unlock(&k->lock);
    return is_lost;
}

double keeper_upload_seconds(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    double seconds = k->upload_seconds;
    pthread_mutex_unlock(&k->lock);
    return seconds;
}

void keeper_close(struct keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->is_closing = true;
    k->is_offered = k->is_offered && !stop_requested();
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    store_close(k->o.store);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    arena_free(&k->arena);
    mem_free(k);
}
