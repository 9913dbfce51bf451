#include "train/prefetch.h"

#include <pthread.h>

struct prefetch {
    struct batch_source source;
    struct pool *pool;
    struct arena arena;
    struct batch batches[2];
    struct batch *taken, *next;
    struct sample_scratch *scratches; /* [workers of the pool] */
    int n_first;                      /* samples of `next` that the pool need not make */
    long n_ready;                     /* sum of n_first */

    struct thread *thread;    /* NULL = the pool makes everything */
    struct sample_slot spare; /* where the thread makes a sample; it trades slots if that was in time */
    struct sample_scratch spare_scratch;
    pthread_mutex_t lock; /* guards what follows, and while is_open the slots of `next` */
    pthread_cond_t changed;
    bool is_open, is_closing; /* open: samples of `next` are wanted */
    long request; /* how many there were: a sample of an older one comes too late */
    int n_made;   /* so many of next's samples are in their slots */
};

/* Called and left with the lock, which it gives up while it works. */
static void make_ahead(struct prefetch *p)
{
    struct batch *b = p->next;
    long request = p->request;
    int i = p->n_made;
    struct sample_key key = batch_key(b, i);
    pthread_mutex_unlock(&p->lock);
    sample_make(&p->source, &key, &p->spare, &p->spare_scratch);
    pthread_mutex_lock(&p->lock);
    if (!p->is_open || p->request != request)
        return;
    struct sample_slot made = p->spare;
    p->spare = b->slots[i];
    b->slots[i] = made;
    p->n_made++;
}

static void work(void *arg)
{
    struct prefetch *p = arg;
    thread_give_way();
    pthread_mutex_lock(&p->lock);
    while (!p->is_closing) {
        if (p->is_open && p->n_made < p->next->range.n)
            make_ahead(p);
        else
            pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

struct prefetch *prefetch_open(const struct batch_source *source, int capacity, struct pool *pool)
{
    struct prefetch *p = mem_alloc(sizeof *p);
    *p = (struct prefetch){.source = *source, .pool = pool};
    for (int i = 0; i < 2; i++)
        batch_open(&p->batches[i], &p->source, capacity, &p->arena);
    p->taken = &p->batches[0];
    p->next = &p->batches[1];
    p->scratches = ARENA_NEW(&p->arena, struct sample_scratch, (size_t)(pool ? pool_size(pool) : 1));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (pool && pool_size(pool) > 1) {
        p->spare = sample_slot(&p->source, &p->arena);
        p->thread = thread_start(work, p);
    }
    return p;
}

void prefetch_close(struct prefetch *p)
{
    if (!p)
        return;
    if (p->thread) {
        pthread_mutex_lock(&p->lock);
        p->is_closing = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        thread_join(p->thread);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    sample_scratch_free(&p->spare_scratch);
    for (int i = 0; i < (p->pool ? pool_size(p->pool) : 1); i++)
        sample_scratch_free(&p->scratches[i]);
    arena_free(&p->arena);
    mem_free(p);
}

static void make_rest(void *ctx, int item, int worker)
{
    struct prefetch *p = ctx;
    int i = p->n_first + item;
    struct sample_key key = batch_key(p->next, i);
    sample_make(&p->source, &key, &p->next->slots[i], &p->scratches[worker]);
}

static bool is_same(const struct batch_range *a, const struct batch_range *b)
{
    return a->epoch == b->epoch && a->first == b->first && a->n == b->n && a->use_mosaic == b->use_mosaic;
}

struct batch *prefetch_take(struct prefetch *p, const struct batch_range *range, bool *ok)
{
    pthread_mutex_lock(&p->lock);
    bool is_begun = p->is_open && is_same(&p->next->range, range);
    p->n_first = is_begun ? p->n_made : 0;
    p->is_open = false;
    pthread_mutex_unlock(&p->lock);
    if (!is_begun)
        batch_begin(p->next, range);
    p->n_ready += p->n_first;
    pool_run(p->pool, range->n - p->n_first, make_rest, p);
    struct batch *b = p->next;
    p->next = p->taken;
    p->taken = b;
    *ok = batch_finish(b);
    return b;
}

void prefetch_begin(struct prefetch *p, const struct batch_range *range)
{
    if (!p->thread)
        return;
    batch_begin(p->next, range);
    pthread_mutex_lock(&p->lock);
    p->is_open = true;
    p->request++;
    p->n_made = 0;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

long prefetch_ready(const struct prefetch *p)
{
    return p->n_ready;
}
