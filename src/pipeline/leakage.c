#include "pipeline/leakage.h"

#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "pipeline/job.h"

#define LIMIT_SPLIT_BYTES (256u << 20)

static const char *const status_words[] = {"not asked", "unknown", "none", "found"};

static bool fetch_split(struct job *j, const struct json *manifest, struct str *split, struct error *e)
{
    const struct json *file = manifest_artifact(manifest, "split.sha256");
    if (!file)
        return fail(e, ERR_STORE, "it was published without split.sha256");
    const char *path = fs_join(j->arena, j->work_dir, "other-split.sha256");
    return manifest_fetch(j->store, file, path, e) &&
           fs_read_file(path, LIMIT_SPLIT_BYTES, j->arena, split, e);
}

/* It began with weights whose training is not known, or that had seen more than its own split tells. */
static bool has_unknown_past(const struct json *manifest)
{
    return !strcmp(json_string(json_get(json_get(manifest, "leakage"), "status"), ""), status_words[LEAKAGE_UNKNOWN]);
}

void leakage_check(struct job *j, const struct json *manifest, struct str *split, struct leakage *out)
{
    struct error e = {0};
    *split = (struct str){0};
    *out = (struct leakage){.status = LEAKAGE_UNKNOWN};
    if (!manifest)
        return;
    out->version = arena_strdup(j->arena, json_string(json_get(manifest, "version"), "?"));
    bool ok = fetch_split(j, manifest, split, &e) ||
              fail_in(&e, "what version %s was trained on is not known", out->version);
    if (ok && !parts_compare(&j->dataset, &j->manifest, *split, &out->n))
        ok = fail(&e, ERR_STORE, "split.sha256 of version %s is damaged", out->version);
    if (!ok) {
        log_info("%s", e.message);
        *split = (struct str){0};
        return;
    }
    bool is_found = out->n.n_val_trained_on > 0 || out->n.n_train_held_back > 0;
    out->status = is_found ? LEAKAGE_FOUND : has_unknown_past(manifest) ? LEAKAGE_UNKNOWN : LEAKAGE_NONE;
}

struct json *leakage_json(const struct leakage *x)
{
    struct json *out = json_new_object();
    bool is_counted = x->status == LEAKAGE_NONE || x->status == LEAKAGE_FOUND;
    json_set(out, "status", json_new_string(status_words[x->status]));
    json_set(out, "version", json_new_string(x->version));
    json_set(out, "validation_trained_on", is_counted ? json_new_int(x->n.n_val_trained_on) : json_new_string(NULL));
    json_set(out, "training_held_back", is_counted ? json_new_int(x->n.n_train_held_back) : json_new_string(NULL));
    return out;
}

const char *leakage_text(const struct leakage *x, const char *who, struct arena *a)
{
    switch (x->status) {
    case LEAKAGE_NOT_ASKED:
    case LEAKAGE_NONE:
        break;
    case LEAKAGE_UNKNOWN:
        return arena_printf(a, "It is not known whether %s had seen today's held-back images in training.", who);
    case LEAKAGE_FOUND:
        if (x->n.n_val_trained_on)
            return arena_printf(a, "%d of today's %d held-back images had been trained on by %s%s%s: figures on them flatter it.",
                                x->n.n_val_trained_on, x->n.n_val, who, x->version ? ", version " : "",
                                x->version ? x->version : "");
        return arena_printf(a, "%d of today's %d training images had been held back by %s%s%s: the held-back images changed.",
                            x->n.n_train_held_back, x->n.n_train, who, x->version ? ", version " : "",
                            x->version ? x->version : "");
    }
    return "";
}
