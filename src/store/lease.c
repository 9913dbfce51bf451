#include "store/lease.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"

#define FLAGS "locks/"
#define FLAGS_MOST 1000
#define RANK_BYTES 16
#define LEASE_TELL_S 3.0

/* Flags of others and since when we have seen each. */
struct watch {
    struct flag {
        char key[64];
        double since;
        bool is_up;
    } flags[FLAGS_MOST];
    size_t n;
};

static bool raise_flag(struct store *s, struct lease *l, struct error *e)
{
    bool written;

    snprintf(l->key, sizeof l->key, FLAGS "%s-%u", l->rank, l->n_renewed);
    l->since = clock_seconds();
    return store_put(s, l->key, STR_LIT("one process publishes here at a time\n"), "text/plain", STORE_ALWAYS, NULL, &written,
                     e);
}

static bool lower_flag(struct store *s, struct lease *l, struct error *e)
{
    char key[sizeof l->key];

    memcpy(key, l->key, sizeof key);
    l->key[0] = 0;
    return !key[0] || store_delete(s, key, e);
}

static void see(struct watch *w, const char *key, double now)
{
    size_t i = 0;
    while (i < w->n && strcmp(w->flags[i].key, key))
        i++;
    if (i == FLAGS_MOST || strlen(key) >= sizeof w->flags[i].key)
        return;
    if (i == w->n) {
        snprintf(w->flags[i].key, sizeof w->flags[i].key, "%s", key);
        w->flags[w->n++].since = now;
    }
    w->flags[i].is_up = true;
}

/* What is up now, but ours; what was up too long is removed. */
static bool look(struct store *s, const struct lease *l, struct watch *w, double stale_s, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n, n_up = 0;
    double now = clock_seconds(); /* before the request: then a flag was up at least as long as we say */

    bool ok = store_list(s, FLAGS, FLAGS_MOST, &a, &keys, &n, e);
    for (size_t i = 0; i < w->n; i++)
        w->flags[i].is_up = false;
    for (size_t i = 0; ok && i < n; i++) {
        if (!l->key[0] || !str_starts(str_of(keys[i] + strlen(FLAGS)), l->rank))
            see(w, keys[i], now);
    }
    for (size_t i = 0; ok && i < w->n; i++) {
        struct flag *f = &w->flags[i];
        if (f->is_up && now - f->since > stale_s) {
            log_notice("%s: the run that held %s for %.0f seconds is gone: removing it", store_url(s), f->key,
                       now - f->since);
            ok = store_delete(s, f->key, e);
            f->is_up = false;
        }
        if (f->is_up)
            w->flags[n_up++] = *f;
    }
    w->n = n_up;
    arena_free(&a);
    return ok;
}

static bool has_higher(const struct watch *w, const struct lease *l)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strncmp(w->flags[i].key + strlen(FLAGS), l->rank, RANK_BYTES) < 0)
            return true;
    }
    return false;
}

static bool has_lower(const struct watch *w, const struct lease *l)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strncmp(w->flags[i].key + strlen(FLAGS), l->rank, RANK_BYTES) > 0)
            return true;
    }
    return false;
}

static void draw_rank(struct lease *l)
{
    uint8_t dice[RANK_BYTES / 2];

    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, l->rank);
    l->n_renewed = 0;
}

/* Between a tenth and the whole of what is due, so that waiters do not march in step. */
static void pause(int n_before)
{
    uint8_t dice;
    double due = n_before < 6 ? 0.02 * (1 << n_before) : 1; /* many waiters: little waiting in sum */

    random_bytes(&dice, 1);
    clock_sleep(due * (0.1 + 0.9 * dice / 255));
}

/* One attempt. *taken = false: somebody of higher rank is there, and our flag is down again. */
static bool attempt(struct store *s, struct lease *l, struct watch *w, double stale_s, bool *taken, struct error *e)
{
    *taken = false;
    draw_rank(l);
    bool ok = raise_flag(s, l, e) && look(s, l, w, stale_s, e);
    if (ok && has_higher(w, l))
        return lower_flag(s, l, e);
    for (int i = 0; ok && has_lower(w, l); i++) {
        /* They go, or they are dead: but we must not look dead ourselves meanwhile. */
        if (clock_seconds() - l->since > stale_s / 4)
            return lower_flag(s, l, e);
        pause(i);
        ok = look(s, l, w, stale_s, e);
    }
    *taken = ok;
    return ok;
}

bool lease_take(struct store *s, struct lease *l, double stale_s, struct error *e)
{
    struct watch *w = mem_alloc(sizeof *w);
    double start = clock_seconds();
    bool taken = false, is_told = false, ok = true;

    w->n = 0;
    *l = (struct lease){0};
    for (int i = 0; ok && !taken; i++) {
        if (stop_requested())
            ok = fail(e, ERR_STOPPED, "stopped while waiting for another run that publishes");
        else if (clock_seconds() - start > LEASE_WAIT_S)
            ok = fail(e, ERR_STORE, "%s: other runs have been publishing for %.0f seconds (%s%s): start this job again",
                      store_url(s), LEASE_WAIT_S, w->n ? "last: " : "", w->n ? w->flags[0].key : "");
        ok = ok && look(s, l, w, stale_s, e);
        if (ok && w->n && !is_told && clock_seconds() - start > LEASE_TELL_S) {
            log_info("%s: waiting for another run that publishes (%s)", store_url(s), w->flags[0].key);
            is_told = true;
        }
        if (ok && w->n == 0)
            ok = attempt(s, l, w, stale_s, &taken, e);
        if (ok && !taken)
            pause(i);
    }
    if (!ok)
        lease_release(s, l);
    mem_free(w);
    return ok;
}

bool lease_keep(struct store *s, struct lease *l, double stale_s, bool *held, struct error *e)
{
    struct lease old = *l;
    double age = clock_seconds() - l->since;

    *held = l->key[0] && age < stale_s / 2;
    if (!*held || age < stale_s / 4)
        return true;
    /* The new flag before the old one goes: there is always one. */
    l->n_renewed++;
    bool ok = raise_flag(s, l, e) && lower_flag(s, &old, e);
    *held = ok && clock_seconds() - old.since < stale_s / 2;
    return ok;
}

void lease_release(struct store *s, struct lease *l)
{
    struct error ignored;

    if (stop_requested())
        store_allow_after_stop(s, 1); /* else the next run must wait until our flag is stale */
    if (!lower_flag(s, l, &ignored))
        log_debug("left behind: %s", ignored.message);
}
