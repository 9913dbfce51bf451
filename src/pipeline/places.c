/* Where the configuration's paths lead, judged by their text alone. */
#include <string.h>

#include "core/fs.h"
#include "pipeline/loader.h"

/* Cuts "." and "name/.." out of a path without looking at the disk; keeps leading ".." of relative ones. */
static char *normal_path(struct arena *a, const char *path)
{
    bool is_absolute = path[0] == '/';
    size_t cap = strlen(path) / 2 + 2, n = 0;
    struct str *parts = ARENA_NEW(a, struct str, cap);
    struct str rest = str_of(path), part;
    while (str_cut(&rest, '/', &part)) {
        if (!part.n || str_is(part, "."))
            continue;
        if (!str_is(part, ".."))
            parts[n++] = part;
        else if (n && !str_is(parts[n - 1], ".."))
            n--;
        else if (!is_absolute)
            parts[n++] = part;
    }
    char *out = arena_strdup(a, is_absolute ? "/" : "");
    for (size_t i = 0; i < n; i++)
        out = arena_printf(a, "%s%s" STR_FMT, out, i ? "/" : "", STR_ARG(parts[i]));
    return out;
}

/* `inner` is `outer` or below it; both normal. */
static bool is_inside(const char *inner, const char *outer)
{
    size_t n = strlen(outer);
    return !strncmp(inner, outer, n) && (inner[n] == '\0' || inner[n] == '/' || (n && outer[n - 1] == '/'));
}

/* On a CI host the file retrain.yml may come from a stranger's branch: a relative path must stay in the checkout. */
bool loader_check_escape(const struct loader *l, const char *option, const char *path, struct error *e)
{
    bool is_ci = l->in->host && strcmp(l->in->host->name, "local");
    if (is_ci && str_starts(str_of(normal_path(l->in->arena, path)), ".."))
        return fail(e, ERR_CONFIG, "%s: '%s' leaves the workspace; name a folder inside the repository", option, path);
    return true;
}

bool loader_check_places(const struct loader *l, struct error *e)
{
    const struct config *c = l->c;
    struct arena *a = l->in->arena;
    bool is_folder_store = str_starts(str_of(c->store), "file://");
    const char *folder = is_folder_store ? c->store + strlen("file://") : "";
    if (!is_folder_store && !str_starts(str_of(c->store), "s3://"))
        return fail(e, ERR_CONFIG, "store: '%s' is neither s3://bucket/prefix nor file://folder", c->store);
    if (is_folder_store && !*folder)
        return fail(e, ERR_CONFIG, "store: 'file://' names no folder; write file://models");
    if (!loader_check_escape(l, "dataset", c->dataset, e) ||
        !loader_check_escape(l, "output-json", c->output_json, e) || !loader_check_escape(l, "store", folder, e) ||
        !loader_check_escape(l, "output", c->output, e) || !loader_check_escape(l, "annotate", c->annotate, e))
        return false;

    if (strcmp(c->command, "run"))
        return true;
    const char *dataset = normal_path(a, c->dataset_path);
    if (is_inside(normal_path(a, c->report_dir), dataset))
        return fail(e, ERR_CONFIG,
                    "dataset: '%s' contains the folder retrain-report, whose files would change the version on every "
                    "run: move the images and labels into a folder of their own",
                    c->dataset);
    if (is_folder_store && is_inside(normal_path(a, fs_join(a, c->workspace, folder)), dataset))
        return fail(
            e, ERR_CONFIG,
            "store: '%s' lies inside the dataset '%s', so each model would change the version: name another folder",
            c->store, c->dataset);
    return true;
}
