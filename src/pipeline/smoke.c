/* The whole job in under a minute, for every pull request: the real dataset cut down to a few images, one epoch, export,
 * and a real publication, fetched back as an application would. It goes to a throw-away folder of the real store:
 *
 *     smoke/<random>.began    written first, removed last: so whatever a killed smoke run leaves is found by it
 *     smoke/<random>/...      a store of its own: versions/, latest.json, locks
 *
 * Nothing else of the store is written, so runs beside it are not disturbed, and a role that may write below smoke/ only
 * is enough. */
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/publish_model.h"

#define SECONDS_AFTER_STOP 4.0 /* as resume.c */
#define FOLDER "smoke/"
#define MARKER ".began"
#define LIMIT_MARKER_BYTES 256

enum { SUBSET_TRAIN = 16, SUBSET_VAL = 8 };

struct smoke {
    struct job *job;
    const char *id;         /* of the throw-away folder */
    const char *url;        /* the folder as a store */
    struct store *store;    /* NULL until it is open */
    bool has_marker;        /* so there is something to remove */
    struct json *manifest;  /* owned; what was published there */
    double began, last_step; /* clock_seconds() */
};

static void say_step(struct smoke *s, const char *what)
{
    double now = clock_seconds();
    log_info("smoke: %s (%.1f s)", what, now - s->last_step);
    s->last_step = now;
}

/* Takes up to `most` images of a part, evenly spread, those with boxes first. */
static void mark_subset(const struct dataset *d, enum dataset_part part, int most, bool *keep)
{
    for (int want_boxes = 1; want_boxes >= 0 && most > 0; want_boxes--) {
        int n = 0, seen = 0, taken = 0;
        for (int i = 0; i < d->n_samples; i++)
            n += d->samples[i].part == part && (d->samples[i].n_labels > 0) == want_boxes;
        int goal = n < most ? n : most;
        for (int i = 0; i < d->n_samples; i++) {
            if (d->samples[i].part != part || (d->samples[i].n_labels > 0) != want_boxes)
                continue;
            seen++;
            if ((long)seen * goal >= (long)(taken + 1) * n) {
                keep[i] = true;
                taken++;
            }
        }
        most -= taken;
    }
}

void smoke_subset(struct dataset *d, struct arena *a)
{
    bool *keep = ARENA_NEW(a, bool, (size_t)d->n_samples);
    int n = 0, n_train = 0, n_val = 0;
    mark_subset(d, PART_TRAIN, SUBSET_TRAIN, keep);
    mark_subset(d, PART_VAL, SUBSET_VAL, keep);
    for (int i = 0; i < d->n_samples; i++) {
        if (!keep[i])
            continue;
        n_train += d->samples[i].part == PART_TRAIN;
        n_val += d->samples[i].part == PART_VAL;
        d->samples[n++] = d->samples[i];
    }
    d->n_samples = n;
    d->n_train = n_train;
    d->n_val = n_val;
    d->n_test = 0;
}

/* ---- the throw-away folder --------------------------------------------------------------------------------------- */

static char *marker_key(const struct smoke *s)
{
    return arena_printf(s->job->arena, FOLDER "%s" MARKER, s->id);
}

static bool folder_open(struct smoke *s, struct error *e)
{
    struct job *j = s->job;
    uint8_t dice[8];
    char hex[2 * sizeof dice + 1], now[CLOCK_RFC3339];
    bool written, atomic;
    size_t n = strlen(j->config->store);

    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, hex);
    s->id = arena_strdup(j->arena, hex);
    while (n && j->config->store[n - 1] == '/')
        n--;
    s->url = arena_printf(j->arena, "%.*s/" FOLDER "%s", (int)n, j->config->store, hex);
    clock_rfc3339(clock_now(), now);
    if (!job_connect_to(j, s->url, false, &s->store, e))
        return false;
    s->has_marker = true; /* also if the answer gets lost */
    if (!store_put(j->store, marker_key(s), str_of(now), "text/plain", STORE_ALWAYS, NULL, &written, e))
        return fail_in(e, "write permission");
    if (!store_probe(s->store, &atomic, e))
        return false;
    log_info("store %s: writable, publishing is %s", store_url(s->store), atomic ? "atomic" : "best effort");
    return true;
}

/* The marker goes last: with it, what could not be removed is found by a later run. */
static bool folder_remove(struct smoke *s, struct error *e)
{
    struct job *j = s->job;
    if (!s->has_marker)
        return true;
    if (stop_requested()) {
        store_allow_after_stop(s->store, SECONDS_AFTER_STOP);
        store_allow_after_stop(j->store, SECONDS_AFTER_STOP);
    }
    bool ok = store_clear(s->store, e) && store_delete(j->store, marker_key(s), e);
    s->has_marker = !ok;
    return ok;
}

/* A folder store does not ask, and there is nothing to save. */
static bool goes_on(struct error *e)
{
    return !stop_requested() || fail(e, ERR_STOPPED, "the smoke run was stopped by a signal");
}

/* ---- the pipeline ------------------------------------------------------------------------------------------------ */

static bool prepare(struct smoke *s, struct error *e)
{
    struct job *j = s->job;
    if (!job_version(j, e))
        return false;
    if (!job_scan(j, e))
        return false;
    job_log_defects(j, 20);
    if (!job_accept_dataset(j, e) || !job_check_memory(j, e))
        return false;
    say_step(s, "the dataset is sound");
    if ((!j->store && !job_open_store(j, e)) || !folder_open(s, e))
        return false;
    j->work_dir = fs_join(j->arena, j->config->workspace, arena_printf(j->arena, ".retrain/smoke-%s", s->id));
    j->checkpoint_path = fs_join(j->arena, j->work_dir, "checkpoint.bin");
    return job_prepare(j, false, e);
}

static bool train(struct smoke *s, struct trained *t, struct error *e)
{
    if (!stage_train(s->job, t, e) || !goes_on(e))
        return false;
    if (t->is_unfinished)
        return fail(e, ERR_CONFIG, "smoke: the time budget ended before one epoch on %d images: raise time-budget",
                    s->job->dataset.n_train);
    say_step(s, "one epoch is trained and measured");
    return stage_evaluate(s->job, t, e);
}

static bool publish(struct smoke *s, const struct trained *t, struct error *e)
{
    struct job *j = s->job;
    struct artifact artifacts[MAX_ARTIFACTS] = {0};
    size_t n = 0;
    bool already;

    s->manifest = manifest_build(j, t);
    bool ok = model_collect(j, t, s->manifest, artifacts, &n, e);
    if (ok)
        say_step(s, "the model is exported");
    ok = ok && publish_version(s->store, j->version.name, artifacts, n, &s->manifest, &already, clock_now(), e);
    if (ok)
        say_step(s, "published to the throw-away folder");
    return ok;
}

/* Every artifact that latest.json names, compared with its checksum. *model: the first, which is the model. */
static bool fetch(struct smoke *s, const char **model, struct error *e)
{
    struct job *j = s->job;
    struct json *latest = NULL;
    enum store_found found;
    const char *folder = fs_join(j->arena, j->work_dir, "fetched");
    bool ok = publish_latest(s->store, &found, &latest, e) && fs_mkdirs(folder, e);
    if (ok && (found == STORE_ABSENT || strcmp(json_string(json_get(latest, "version"), ""), j->version.name)))
        ok = fail(e, ERR_STORE, "%s: latest.json does not name what was just published: is this store consistent?", s->url);
    const struct json *all = json_get(latest, "artifacts");
    for (size_t i = 0; ok && i < json_len(all); i++) {
        const struct json *a = json_at(all, i);
        uint8_t sum[SHA256_BYTES];
        const char *path = fs_join(j->arena, folder, fs_base(json_string(json_get(a, "name"), "-")));
        ok = (hex_decode(str_of(json_string(json_get(a, "sha256"), "")), sum, sizeof sum) ||
              fail(e, ERR_STORE, "%s: latest.json has no sound checksum of %s", s->url, fs_base(path))) &&
             store_get_file(s->store, json_string(json_get(a, "key"), "-"), path, sum, e);
        if (i == 0)
            *model = path;
    }
    json_free(latest);
    if (ok)
        say_step(s, "fetched back, checksums verified");
    return ok || fail_in(e, "smoke");
}

/* The file that came back must see what the model in memory sees. */
static bool try_model(struct smoke *s, const struct trained *t, const char *path, struct error *e)
{
    struct job *j = s->job;
    struct loaded m = {0};
    int i = 0, n_boxes = 0;
    bool is_same = false;
    while (j->dataset.samples[i].part != PART_VAL)
        i++;
    bool ok = stage_load(j, path, 1, &m, e) && stage_agrees(j, t, &m, j->dataset.samples[i].path, &is_same, &n_boxes, e);
    stage_unload(&m);
    if (ok && !is_same)
        ok = fail(e, ERR_INTERNAL, "smoke: the fetched %s does not give the boxes that the trained model gives on %s", fs_base(path),
                  j->dataset.samples[i].name);
    if (ok)
        say_step(s, arena_printf(j->arena, "the fetched %s gives the same %d boxes on %s", fs_base(path), n_boxes,
                                 j->dataset.samples[i].name));
    return ok || fail_in(e, "smoke");
}

static bool go_through(struct smoke *s, struct trained *t, struct error *e)
{
    const char *model = NULL;
    return prepare(s, e) && goes_on(e) && train(s, t, e) && publish(s, t, e) && goes_on(e) && fetch(s, &model, e) &&
           try_model(s, t, model, e) && goes_on(e);
}

static void conclude(struct smoke *s, bool ok, const struct trained *t, const struct error *e)
{
    struct job *j = s->job;
    char seconds[32];
    clock_format_duration(clock_seconds() - s->began, seconds);
    if (ok)
        job_conclude(j, "planned",
                     arena_printf(j->arena,
                                  "smoke run passed in %s: dataset, training, export, publishing and fetching work, and the "
                                  "throw-away folder is removed; without `smoke` the model is trained and published",
                                  seconds));
    else
        job_conclude(j, "failed", arena_strdup(j->arena, e->message));
    report_write(j, t, s->manifest);
}

bool smoke_run(struct job *j, struct error *e)
{
    struct smoke s = {.job = j, .began = clock_seconds(), .last_step = clock_seconds()};
    struct trained t = {0};
    struct error left = {0}, untidy = {0};

    bool ok = go_through(&s, &t, e);
    if (!folder_remove(&s, &left)) {
        if (ok)
            *e = left;
        else
            log_warning("%s; a smoke run in an hour or later removes it", left.message);
        ok = false;
    }
    conclude(&s, ok, &t, e);
    if (j->work_dir && s.id && !fs_remove_tree(j->work_dir, &untidy))
        log_debug("%s", untidy.message);
    json_free(s.manifest);
    store_close(s.store);
    stage_free(&t);
    return ok;
}
