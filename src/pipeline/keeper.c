#include "pipeline/keeper.h"

#include <pthread.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"
#include "core/thread.h"

/* After the signal; GitHub sends SIGTERM 7.5 seconds after SIGINT and kills at 10. What is left is for the report. */
#define STOP_UPLOAD_ENDS_S 5.5
#define LEAST_AFTER_STOP_S 1.0

struct keeper {
    struct keeper_options o;
    struct arena arena;
    /* Second names of the checkpoint's file, since training puts a new file at the first: what was offered, and what is
     * going up. */
    const char *waiting, *uploading;
    struct thread *thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct train_position offered;
    bool is_offered, is_busy, is_settling, is_closing;
    double upload_seconds;
    struct error trouble; /* why the last upload failed; ERR_NONE when it did not */
};

/* With the lock. */
static bool take_snapshot(const struct keeper *k, struct error *e)
{
    if (!fs_remove(k->waiting, e))
        return false;
    return link(k->o.checkpoint_path, k->waiting) == 0 ||
           fs_copy_atomic(k->o.checkpoint_path, k->waiting, e); /* a file system without hard links */
}

static bool upload(struct keeper *k, const struct train_position *at, struct error *e)
{
    struct error ignored;
    if (stop_requested()) { /* this is the one thing that is still worth a request; the host kills us soon */
        double left = STOP_UPLOAD_ENDS_S - stop_age();
        store_allow_after_stop(k->o.store, left > LEAST_AFTER_STOP_S ? left : LEAST_AFTER_STOP_S);
    }
    bool ok = checkpoints_add(k->o.store, k->o.version, k->uploading, at, &k->o.stored, e);
    if (!fs_remove(k->uploading, &ignored))
        log_debug("%s", ignored.message);
    return ok || fail_in(e, "checkpoint");
}

/* Called and left with the lock. */
static void upload_offered(struct keeper *k)
{
    struct train_position at = k->offered;
    struct error e = {0};
    k->is_offered = false;
    k->is_busy = true;
    bool ok = fs_name_over(k->waiting, k->uploading, &e);
    pthread_mutex_unlock(&k->lock);
    double from = clock_seconds();
    ok = ok && upload(k, &at, &e);
    double took = clock_seconds() - from;
    pthread_mutex_lock(&k->lock);
    k->is_busy = false;
    k->trouble = e;
    if (ok) {
        budget_saw(&k->upload_seconds, took);
        log_debug("checkpoint of epoch %d in %s after %.1f s", at.epoch, store_url(k->o.store), took);
    } else if (!k->is_offered && !stop_requested()) {
        log_warning("%s; it is on this machine, and training goes on", e.message);
    }
    pthread_cond_broadcast(&k->changed);
}

static void work(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->is_closing || k->is_offered) {
        /* After a stop only the last one counts: which that is, is known when training waits for it. */
        if (k->is_offered && (!stop_requested() || k->is_settling || k->is_closing))
            upload_offered(k);
        else
            pthread_cond_wait(&k->changed, &k->lock);
    }
    pthread_mutex_unlock(&k->lock);
}

struct keeper *keeper_open(const struct keeper_options *o)
{
    struct keeper *k = mem_alloc(sizeof *k);
    *k = (struct keeper){.o = *o};
    const char *folder = fs_dir(&k->arena, o->checkpoint_path);
    k->waiting = fs_join(&k->arena, folder, "waiting.bin");
    k->uploading = fs_join(&k->arena, folder, "uploading.bin");
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->thread = thread_start(work, k);
    return k;
}

void keeper_offer(struct keeper *k, const struct train_position *at)
{
    struct error e = {0};
    pthread_mutex_lock(&k->lock);
    k->is_offered = take_snapshot(k, &e);
    k->offered = *at;
    if (!k->is_offered) {
        log_warning("checkpoint: %s", e.message);
        k->trouble = e;
    }
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

bool keeper_settle(struct keeper *k, struct error *e)
{
    pthread_mutex_lock(&k->lock);
    k->is_settling = true;
    pthread_cond_broadcast(&k->changed);
    while (k->is_offered || k->is_busy)
        pthread_cond_wait(&k->changed, &k->lock);
    k->is_settling = false;
    bool ok = k->trouble.code == ERR_NONE;
    if (!ok)
        *e = k->trouble;
    pthread_mutex_unlock(&k->lock);
    return ok;
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
    thread_join(k->thread);
    store_close(k->o.store);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    arena_free(&k->arena);
    mem_free(k);
}
