#include "core/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "core/error.h"

/* One run is a "job": the caller opens it under the mutex, workers join it while it is open, everyone takes items from
 * one counter, and the caller closes it when the counter has run out and waits for those who joined. A worker that
 * wakes too late finds the job closed and never delays anyone. Before sleeping, both sides look for news for a few
 * microseconds, since a network's layers follow one another closely. */
#define SPINS 2000

struct pool {
    int n_threads;
    int n_started; /* threads made, without the caller */
    int spins;     /* 0 when there are more threads than CPUs: spinning would steal from who works */
    pthread_t *threads;
    struct start {
        struct pool *pool;
        int worker;
    } *starts;

    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    int n_asleep;
    bool is_open, is_closing;

    atomic_uint generation; /* of the newest job; changes under the lock */
    atomic_int n_working;   /* workers inside the job; rises under the lock */
    atomic_int next;        /* item */
    int n_items;
    pool_fn fn;
    void *ctx;
};

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_items(struct pool *p, pool_fn fn, void *ctx, int n_items, int worker)
{
    int item;
    while ((item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < n_items)
        fn(ctx, item, worker);
}

/* Waits for a generation other than `seen`; holds the lock on return. */
static unsigned wait_for_work(struct pool *p, unsigned seen)
{
    for (int i = 0; i < p->spins && atomic_load_explicit(&p->generation, memory_order_relaxed) == seen; i++)
        pause_cpu();
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->generation) == seen && !p->is_closing) {
        p->n_asleep++;
        pthread_cond_wait(&p->work, &p->lock);
        p->n_asleep--;
    }
    return atomic_load(&p->generation);
}

static void *work(void *arg)
{
    struct start *start = arg;
    struct pool *p = start->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_work(p, seen);
        if (p->is_closing)
            break;
        if (!p->is_open) {
            pthread_mutex_unlock(&p->lock);
            continue;
        }
        pool_fn fn = p->fn;
        void *ctx = p->ctx;
        int n_items = p->n_items;
        atomic_fetch_add(&p->n_working, 1);
        pthread_mutex_unlock(&p->lock);

        take_items(p, fn, ctx, n_items, start->worker);

        if (atomic_fetch_sub(&p->n_working, 1) == 1) {
            pthread_mutex_lock(&p->lock); /* or the caller could miss it between its look and its sleep */
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pool *pool_open(int n_threads)
{
    if (n_threads < 1)
        BUG("pool_open: %d threads", n_threads);
    struct pool *p = mem_alloc(sizeof *p);
    p->n_threads = n_threads;
    p->spins = n_threads <= cpu_count() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->threads = mem_alloc(mem_mul((size_t)n_threads, sizeof *p->threads));
    p->starts = mem_alloc(mem_mul((size_t)n_threads, sizeof *p->starts));
    for (int i = 1; i < n_threads; i++) {
        p->starts[i] = (struct start){p, i};
        int code = pthread_create(&p->threads[i], NULL, work, &p->starts[i]);
        if (code != 0)
            BUG("cannot start thread %d of %d: %s; try fewer threads", i + 1, n_threads, strerror(code));
        p->n_started++;
    }
    return p;
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->is_closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i <= p->n_started; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->threads);
    mem_free(p->starts);
    mem_free(p);
}

int pool_size(const struct pool *p)
{
    return p ? p->n_threads : 1;
}

void pool_run(struct pool *p, int n_items, pool_fn fn, void *ctx)
{
    if (!p || p->n_threads == 1 || n_items <= 1) {
        for (int item = 0; item < n_items; item++)
            fn(ctx, item, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    if (p->is_open)
        BUG("pool_run inside pool_run");
    p->fn = fn;
    p->ctx = ctx;
    p->n_items = n_items;
    p->is_open = true;
    atomic_store(&p->next, 0);
    atomic_fetch_add(&p->generation, 1);
    if (p->n_asleep > 0)
        pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);

    take_items(p, fn, ctx, n_items, 0);

    pthread_mutex_lock(&p->lock);
    p->is_open = false;
    if (atomic_load(&p->n_working) > 0 && p->spins > 0) {
        pthread_mutex_unlock(&p->lock); /* the last items are mostly about to end */
        for (int i = 0; i < p->spins && atomic_load_explicit(&p->n_working, memory_order_relaxed) > 0; i++)
            pause_cpu();
        pthread_mutex_lock(&p->lock);
    }
    while (atomic_load(&p->n_working) > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

struct thread {
    pthread_t id;
    void (*fn)(void *ctx);
    void *ctx;
};

static void *call(void *arg)
{
    const struct thread *t = arg;
    t->fn(t->ctx);
    return NULL;
}

struct thread *thread_start(void (*fn)(void *ctx), void *ctx)
{
    struct thread *t = mem_alloc(sizeof *t);
    sigset_t all, before;
    *t = (struct thread){.fn = fn, .ctx = ctx};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&t->id, NULL, call, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        BUG("cannot start a thread: %s", strerror(code));
    return t;
}

void thread_join(struct thread *t)
{
    pthread_join(t->id, NULL);
    mem_free(t);
}

void thread_give_way(void)
{
#ifdef SCHED_IDLE
    struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
#endif
}
