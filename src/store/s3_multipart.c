#include "store/s3_multipart.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"
#include "store/s3_object.h"
#include "store/s3_parts.h"
#include "store/s3_resume.h"

#define LOOKS 4
#define LOOK_PAUSE_S 0.25
#define ROUNDS_MAX 3 /* uploads begun for one file; each but the first because something took the one before away */
#define PROGRESS_SECONDS 10.0

/* The workers' common state. */
struct sending {
    struct s3_upload *u;
    int *missing; /* parts, [n] */
    pthread_mutex_t lock; /* guards the rest */
    uint64_t done_bytes;
    double begun, last_line;
    bool gone, failed;
    struct error why;
};

static void report(struct sending *t)
{
    double now = clock_seconds(), total = (double)t->u->file->size_bytes;

    if (now - t->last_line < PROGRESS_SECONDS)
        return;
    t->last_line = now;
    log_info("uploading %s: %.0f of %.0f MB (%.0f %%)", t->u->key, (double)t->done_bytes / 1e6, total / 1e6,
             100.0 * (double)t->done_bytes / total);
}

static void send_one(void *ctx, int item, int worker)
{
    struct sending *t = ctx;
    struct error e = {0};
    bool gone = false;
    int part = t->missing[item];

    pthread_mutex_lock(&t->lock);
    bool is_over = t->gone || t->failed;
    pthread_mutex_unlock(&t->lock);
    if (is_over)
        return;

    bool ok = s3_parts_send(t->u, part, worker, &gone, &e);
    pthread_mutex_lock(&t->lock);
    if (!ok && !t->failed) {
        t->failed = true;
        t->why = e;
    }
    t->gone = t->gone || gone;
    if (ok && !gone) {
        t->done_bytes += s3_part_size(t->u, part);
        report(t);
    }
    pthread_mutex_unlock(&t->lock);
}

/* Sends what is not there yet. */
static bool send_all(struct s3_upload *u, bool *gone, struct error *e)
{
    struct sending t = {.u = u, .begun = clock_seconds()};
    int n = 0;

    t.last_line = t.begun;
    t.missing = mem_alloc(mem_mul((size_t)u->n_parts, sizeof *t.missing));
    for (int i = 0; i < u->n_parts; i++) {
        if (u->parts[i].etag[0])
            t.done_bytes += s3_part_size(u, i);
        else
            t.missing[n++] = i;
    }
    if (n < u->n_parts)
        log_info("resuming the upload of %s: %d of %d parts are there", u->key, u->n_parts - n, u->n_parts);
    else
        log_info("uploading %s: %.0f MB in %d parts", u->key, (double)u->file->size_bytes / 1e6, n);

    int n_lanes = n < S3_LANES ? n : S3_LANES;
    bool ok = n == 0 || s3_open_lanes(u->s3, n_lanes, e);
    if (ok && n) {
        struct pool *pool = pool_open(n_lanes);
        if (pthread_mutex_init(&t.lock, NULL))
            BUG("a mutex cannot be made");
        pool_run(pool, n, send_one, &t);
        pool_close(pool);
        pthread_mutex_destroy(&t.lock);
    }
    *gone = t.gone;
    mem_free(t.missing);
    if (t.failed && !t.gone) {
        *e = t.why;
        ok = false;
    }
    return ok;
}

/* Takes up an upload that another process began for these bytes, or begins one. *gone: such an upload was known, but the
 * server has no longer heard of it. */
static bool find_or_begin(struct s3_upload *u, bool may_resume, bool *gone, struct error *e)
{
    struct error trouble = {0};

    *gone = false;
    u->id = NULL;
    if (may_resume)
        s3_resume_find(u);
    if (u->id) {
        if (s3_parts_list(u, gone, &trouble))
            return true;
        if (trouble.code == ERR_STOPPED) {
            *e = trouble;
            return false;
        }
        log_debug("not resumed: %s", trouble.message); /* s3:ListMultipartUploadParts is not everybody's */
    }
    for (int i = 0; i < u->n_parts; i++)
        u->parts[i].etag[0] = 0;
    if (!s3_parts_begin(u, e))
        return false;
    if (!u->s3->has_no_multipart)
        s3_resume_keep(u);
    return true;
}

/* One upload from its beginning, or where an earlier process left it, to its end. */
static bool upload_once(struct s3_upload *u, bool may_resume, bool only_if_absent, enum s3_outcome *out, struct error *e)
{
    bool gone;

    *out = S3_BEGIN_ANEW;
    if (!find_or_begin(u, may_resume, &gone, e))
        return false;
    if (gone || u->s3->has_no_multipart)
        return true;
    return send_all(u, &gone, e) && (gone || s3_parts_complete(u, only_if_absent, out, e));
}

/* The parts are of no more use to anybody. */
static void give_up(struct s3_upload *u)
{
    struct error e;

    if (!u->id)
        return;
    if (!s3_parts_abort(u->s3, u->key, u->id, &e))
        log_debug("left behind: %s", e.message);
    s3_resume_forget(u);
}

/* A server that puts the object in place in two moves (versitygw) has none there for a moment when two runs complete the
 * same upload at once: look again before calling it inconsistent. */
static bool is_there(struct s3_upload *u, enum s3_outcome outcome, bool *written, struct error *e)
{
    bool ok = s3_is_file(u->s3, u->key, u->file, written, e);
    for (int i = 0; ok && !*written && outcome == S3_COMPLETED && i < LOOKS; i++) {
        clock_sleep(LOOK_PAUSE_S);
        ok = s3_is_file(u->s3, u->key, u->file, written, e);
    }
    return ok;
}

static bool upload(struct s3_upload *u, bool only_if_absent, bool *written, struct error *e)
{
    enum s3_outcome outcome;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!upload_once(u, round == 0, only_if_absent, &outcome, e))
            return false;
        if (u->s3->has_no_multipart)
            return true;
        /* Whatever the answer was: an earlier attempt may have completed it and the answer been lost; and some servers'
         * answers say nothing. The object itself tells. */
        if (!is_there(u, outcome, written, e))
            return false;
        if (*written) {
            if (outcome == S3_COMPLETED)
                s3_resume_forget(u);
            else
                give_up(u); /* another run's upload of the same bytes made it */
            return true;
        }
        if (outcome == S3_COMPLETED)
            return fail(e, ERR_STORE, "%s: %s was uploaded and completed, but is not there: is this store consistent?",
                        u->s3->base.url, u->key);
        give_up(u);
        if (outcome == S3_TAKEN)
            return true;
        log_debug("%s: the upload of %s begins anew", u->s3->base.url, u->key);
    }
    return fail(e, ERR_STORE, "%s: the upload of %s was taken away %d times before it was complete: who else writes there?",
                u->s3->base.url, u->key, ROUNDS_MAX);
}

bool s3_multipart_put(struct s3_store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                      struct error *e)
{
    struct s3_upload u;
    enum store_found found = STORE_ABSENT;
    uint64_t size_bytes;

    *written = false;
    if (only_if_absent && !s3_stat(&s->base, key, &found, &size_bytes, e))
        return false;
    if (found == STORE_PRESENT)
        return true;

    bool ok = s3_upload_plan(&u, s, key, f, e) && s3_upload_hash(&u, e);
    if (ok) {
        ok = upload(&u, only_if_absent, written, e);
        if (!ok && e->code != ERR_NET && e->code != ERR_STOPPED)
            give_up(&u);
        if (ok && *written)
            s3_resume_tidy(s);
    }
    s3_upload_free(&u);
    return ok;
}
