#include "pipeline/smoke_folder.h"

#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"

#define SECONDS_AFTER_STOP 4.0 /* as resume.c */
#define FOLDER "smoke/"
#define MARKER ".began"
#define FOLDERS_MOST 1000
#define ABANDONED_S 3600.0 /* a folder is written for a minute or so; what is older is of a run that was killed */

enum { RANDOM_BYTES = 8 };

static char *marker_of(const struct smoke_folder *f)
{
    return arena_printf(f->job->arena, FOLDER "%s" MARKER, f->id);
}

static char *url_of(const struct job *j, const char *id)
{
    size_t n = strlen(j->config->store);
    while (n && j->config->store[n - 1] == '/')
        n--;
    return arena_printf(j->arena, "%.*s/" FOLDER "%s", (int)n, j->config->store, id);
}

static bool remove_abandoned(struct job *j, const char *marker, bool *removed, struct error *e)
{
    struct str id = str_slice(str_of(marker), strlen(FOLDER), SIZE_MAX);
    struct store *left = NULL;
    enum store_found found;
    double age_s;
    char etag[128];

    *removed = false;
    id.n -= strlen(MARKER);
    if (!store_age(j->store, marker, &found, &age_s, etag, e))
        return false;
    if (found == STORE_ABSENT || !(age_s > ABANDONED_S))
        return true;
    bool ok = job_connect_to(j, url_of(j, str_dup(j->arena, id)), false, &left, e) && store_clear(left, e) &&
              store_delete(j->store, marker, e);
    store_close(left);
    *removed = ok;
    return ok;
}

/* What killed smoke runs have left, as far as it can be removed. */
static void remove_old(const struct smoke_folder *f)
{
    struct job *j = f->job;
    const char **keys;
    size_t n = 0;
    int n_removed = 0;
    bool removed;
    struct error e = {0};

    bool ok = store_list(j->store, FOLDER, FOLDERS_MOST, j->arena, &keys, &n, &e);
    for (size_t i = 0; ok && i < n; i++) {
        struct str id = str_slice(str_of(keys[i]), strlen(FOLDER), SIZE_MAX);
        if (!str_ends(id, MARKER) || id.n != 2 * RANDOM_BYTES + strlen(MARKER) || !strcmp(keys[i], marker_of(f)))
            continue;
        ok = remove_abandoned(j, keys[i], &removed, &e);
        n_removed += removed;
    }
    if (n_removed)
        log_info("smoke: removed what %d killed smoke run%s had left", n_removed, n_removed == 1 ? "" : "s");
    if (!ok)
        log_warning("what killed smoke runs have left stays: %s", e.message);
}

bool smoke_folder_open(struct job *j, struct smoke_folder *f, struct error *e)
{
    uint8_t dice[RANDOM_BYTES];
    char hex[2 * sizeof dice + 1], now[CLOCK_RFC3339];
    bool written, atomic;

    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, hex);
    *f = (struct smoke_folder){.job = j, .id = arena_strdup(j->arena, hex)};
    clock_rfc3339(clock_now(), now);
    if (!job_connect_to(j, url_of(j, hex), false, &f->store, e))
        return false;
    f->may_be_there = store_put(j->store, marker_of(f), str_of(now), "text/plain", STORE_ALWAYS, NULL, &written, e);
    if (!f->may_be_there) {
        f->may_be_there = e->code != ERR_STORE; /* that is the store's refusal; else only the answer may be lost */
        return fail_in(e, "write permission");
    }
    if (!store_probe(f->store, &atomic, e))
        return false;
    log_info("store %s: writable, publishing is %s", store_url(f->store), atomic ? "atomic" : "best effort");
    remove_old(f);
    return true;
}

/* The marker goes last: with it, what could not be removed is found by a later run. */
bool smoke_folder_remove(struct smoke_folder *f, struct error *e)
{
    struct job *j = f->job;
    if (!f->may_be_there)
        return true;
    if (stop_requested()) {
        store_allow_after_stop(f->store, SECONDS_AFTER_STOP);
        store_allow_after_stop(j->store, SECONDS_AFTER_STOP);
    }
    bool ok = store_clear(f->store, e) && store_delete(j->store, marker_of(f), e);
    f->may_be_there = !ok;
    return ok;
}

void smoke_folder_close(struct smoke_folder *f)
{
    store_close(f->store);
    f->store = NULL;
}
