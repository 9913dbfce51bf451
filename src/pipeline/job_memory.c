/* A process that takes more memory than there is gets killed without a word, perhaps hours in: so it is refused before. */
#include <stdio.h>

#include "core/log.h"
#include "core/memory.h"
#include "pipeline/stages.h"
#include "train/footprint.h"

#define TIGHT 0.85 /* of what is free: from here on other programs may tip the balance */

/* "9.6 GB" */
static const char *bytes_text(struct arena *a, uint64_t n)
{
    return n < 1000000000 ? arena_printf(a, "%.0f MB", (double)n / 1e6) : arena_printf(a, "%.1f GB", (double)n / 1e9);
}

static bool refuse(struct job *j, const struct train_options *o, const struct spec *spec, uint64_t need,
                   const struct memory *have, struct error *e)
{
    struct arena *a = j->arena;
    int fits = footprint_largest_batch(o, &j->dataset, spec, j->pool, have->available_bytes);
    fail(e, ERR_CONFIG, "batch-size %d at image-size %d with model %s needs about %s of memory, and %s %s free", o->batch_size,
         o->image_size, j->config->model, bytes_text(a, need),
         have->is_cgroup ? "the control group (the container's limit) has" : "this machine has",
         bytes_text(a, have->available_bytes));
    return fits ? fail(e, ERR_CONFIG, "%s: batch-size %d would fit", e->message, fits)
                : fail(e, ERR_CONFIG, "%s: not even batch-size 1 fits: lower image-size, model or threads", e->message);
}

bool job_check_memory(struct job *j, struct error *e)
{
    struct train_options o = stage_options(j);
    struct footprint f;
    struct spec spec;
    if (!spec_build(j->config->model[0], j->dataset.n_classes, &spec, e))
        return false;
    footprint_of(&o, &j->dataset, &spec, j->pool, &f);
    struct memory have = memory_find("");
    uint64_t need = footprint_need(&f);
    if (need > have.available_bytes)
        return refuse(j, &o, &spec, need, &have, e);
    j->cache_bytes = footprint_cache(&f, have.available_bytes);
    j->budget.checkpoint_bytes = (double)f.checkpoint;
    uint64_t kept = j->cache_bytes < f.images ? j->cache_bytes : f.images;
    uint64_t peak = kept == f.images ? footprint_most(&f) : footprint_least(&f) + kept;
    const char *left = have.available_bytes == UINT64_MAX ? "an unknown amount" : bytes_text(j->arena, have.available_bytes);
    log_info("memory: training takes about %s (networks %s, decoded images %s), %s %s free", bytes_text(j->arena, peak),
             bytes_text(j->arena, f.networks + f.batch + f.weights), bytes_text(j->arena, kept), left,
             have.is_cgroup ? "of the control group are" : "are");
    if ((double)need > TIGHT * (double)have.available_bytes)
        log_warning("this is tight: a smaller batch-size or image-size is safer");
    return true;
}
