/* The whole job in under a minute, for every pull request: the real dataset cut down to a few images, one epoch, export,
 * and a real publication to a throw-away folder (smoke_folder.h), fetched back as an application would. */
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/publish_model.h"
#include "pipeline/smoke_folder.h"

#define DECODE_MOST_PIXELS 2e9 /* some 20 seconds of one core */

enum { SUBSET_TRAIN = 16, SUBSET_VAL = 8 };

struct smoke {
    struct job *job;
    struct smoke_folder folder;
    struct json *manifest;   /* owned; what was published there */
    double began, last_step; /* clock_seconds() */
};

/* name: for the summary; what: for the log. */
static void pass(struct smoke *s, const char *name, const char *what)
{
    struct job *j = s->job;
    double now = clock_seconds(), seconds = now - s->last_step;
    log_info("smoke: %s (%.1f s)", what, seconds);
    j->passed = arena_printf(j->arena, "%s%s%s %.1f s", j->passed, *j->passed ? ", " : "", name, seconds);
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

/* A folder store does not ask, and there is nothing to save. */
static bool goes_on(struct error *e)
{
    return !stop_requested() || fail(e, ERR_STOPPED, "the smoke run was stopped by a signal");
}

/* ---- the pipeline ------------------------------------------------------------------------------------------------ */

/* Only a decoder finds a photo that breaks off. All of them, not only the subset's, where that is a matter of seconds. */
static void decode(struct job *j)
{
    struct dataset *d = &j->dataset;
    double pixels = 0;
    for (int i = 0; i < d->n_samples; i++)
        pixels += (double)d->samples[i].w * d->samples[i].h;
    if (pixels <= DECODE_MOST_PIXELS)
        dataset_decode_all(d, j->pool, j->arena);
    else
        log_info("smoke: %d images take too long to decode them all: `retrain check` does", d->n_samples);
}

static bool prepare(struct smoke *s, struct error *e)
{
    struct job *j = s->job;
    if (!job_version(j, e) || !job_scan(j, e))
        return false;
    decode(j);
    job_log_defects(j, 20);
    if (!goes_on(e) || !job_accept_dataset(j, e) || !job_check_memory(j, e))
        return false;
    pass(s, "dataset", "the dataset is sound");
    if ((!j->store && !job_open_store(j, e)) || !smoke_folder_open(j, &s->folder, e))
        return false;
    j->work_dir = fs_join(j->arena, j->config->workspace, arena_printf(j->arena, ".retrain/smoke-%s", s->folder.id));
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
    pass(s, "training", "one epoch is trained and measured");
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
        pass(s, "export", "the model is exported");
    ok = ok && publish_version(s->folder.store, j->version.name, artifacts, n, &s->manifest, &already, clock_now(), e);
    if (ok)
        pass(s, "publishing", "published to the throw-away folder");
    return ok;
}

static bool fetch_one(struct smoke *s, const struct json *artifact, const char *folder, struct error *e)
{
    struct job *j = s->job;
    const char *name = fs_base(json_string(json_get(artifact, "name"), "-"));
    return manifest_fetch(s->folder.store, artifact, fs_join(j->arena, folder, name), e);
}

/* Every artifact that latest.json names, compared with its checksum, into `folder`. */
static bool fetch(struct smoke *s, const char *folder, struct error *e)
{
    struct job *j = s->job;
    struct json *latest = NULL;
    enum store_found found;
    bool ok = fs_mkdirs(folder, e) && publish_latest(s->folder.store, &found, &latest, e);
    if (ok && (found == STORE_ABSENT || strcmp(json_string(json_get(latest, "version"), ""), j->version.name)))
        ok = fail(e, ERR_STORE, "%s: latest.json does not name what was just published: is this store consistent?",
                  store_url(s->folder.store));
    const struct json *all = json_get(latest, "artifacts");
    for (size_t i = 0; ok && i < json_len(all); i++)
        ok = fetch_one(s, json_at(all, i), folder, e);
    json_free(latest);
    if (ok)
        pass(s, "fetching", "fetched back, checksums verified");
    return ok || fail_in(e, "smoke");
}

/* The files that came back must see what the model in memory sees. */
static bool try_model(struct smoke *s, const struct trained *t, const char *path, struct error *e)
{
    struct job *j = s->job;
    struct loaded m = {0};
    int i = 0, n_boxes = 0;
    bool is_same = false, is_folded = !strcmp(fs_ext(path), ".onnx");
    while (j->dataset.samples[i].part != PART_VAL)
        i++;
    const struct sample *photo = &j->dataset.samples[i];
    bool ok = stage_load(j, path, 1, &m, e) && stage_agrees(j, t, &m, is_folded, photo->path, &is_same, &n_boxes, e);
    stage_unload(&m);
    if (ok && !is_same)
        ok = fail(e, ERR_INTERNAL, "the fetched %s does not see on %s what the trained model sees", fs_base(path), photo->name);
    if (ok)
        pass(s, fs_base(path), arena_printf(j->arena, "the fetched %s runs: %d boxes on %s", fs_base(path), n_boxes, photo->name));
    return ok || fail_in(e, "smoke");
}

static bool try_models(struct smoke *s, const struct trained *t, const char *folder, struct error *e)
{
    const struct config *c = s->job->config;
    return (!c->want_onnx || try_model(s, t, fs_join(s->job->arena, folder, "model.onnx"), e)) &&
           (!c->want_safetensors || try_model(s, t, fs_join(s->job->arena, folder, "model.safetensors"), e));
}

static bool go_through(struct smoke *s, struct trained *t, struct error *e)
{
    if (!prepare(s, e) || !goes_on(e))
        return false;
    const char *fetched = fs_join(s->job->arena, s->job->work_dir, "fetched");
    return train(s, t, e) && publish(s, t, e) && goes_on(e) && fetch(s, fetched, e) && try_models(s, t, fetched, e) && goes_on(e);
}

static void conclude(struct smoke *s, bool ok, const struct error *e)
{
    struct job *j = s->job;
    char seconds[32];
    clock_format_duration(clock_seconds() - s->began, seconds);
    if (ok)
        job_conclude(j, "planned",
                     arena_printf(j->arena,
                                  "smoke run passed in %s: dataset, training, export, publishing and fetching work, and nothing of "
                                  "it is left in the store; run without `smoke` to train and publish the model",
                                  seconds));
    else
        job_conclude_failure(j, false, e);
    j->outputs.map50 = j->outputs.map50_95 = NULL; /* one epoch's figures say nothing */
    report_write(j, NULL, NULL);
}

bool smoke_run(struct job *j, struct error *e)
{
    struct smoke s = {.job = j, .began = clock_seconds(), .last_step = clock_seconds()};
    struct trained t = {0};
    struct error left = {0}, untidy = {0};

    j->passed = "";
    bool ok = go_through(&s, &t, e);
    if (!smoke_folder_remove(&s.folder, &left)) {
        if (ok)
            *e = left;
        else
            log_warning("%s; a smoke run in an hour or later removes it", left.message);
        ok = false;
    }
    conclude(&s, ok, e);
    if (j->work_dir && s.folder.id && !fs_remove_tree(j->work_dir, &untidy))
        log_debug("%s", untidy.message);
    json_free(s.manifest);
    smoke_folder_close(&s.folder);
    stage_free(&t);
    return ok;
}
