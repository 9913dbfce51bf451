/* Where the configuration's paths lead, judged by their text alone. */
#include <string.h>

#include "core/fs.h"
#include "config/loader.h"

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
    if (is_ci && str_starts(str_of(fs_normal(l->in->arena, path)), ".."))
        return fail(e, ERR_CONFIG, "%s: '%s' leaves the workspace; name a folder inside the repository", option, path);
    return true;
}

/* A plain web address can be read by key and nothing else. */
static bool check_web_store(const struct config *c, struct error *e)
{
    static const char *const refused[] = {"run", "plan", "check", "list", "rollback"};
    bool is_list = !strcmp(c->command, "list");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (!strcmp(c->command, refused[i]))
            return fail(e, ERR_CONFIG, "store: '%s' is a plain web address, %s: %s needs s3://bucket/prefix or file://folder",
                        c->store, is_list ? "which cannot be listed" : "which is read only", c->command);
    }
    return true;
}

bool loader_check_places(const struct loader *l, struct error *e)
{
    const struct config *c = l->c;
    struct arena *a = l->in->arena;
    bool is_folder_store = str_starts(str_of(c->store), "file://");
    const char *folder = is_folder_store ? c->store + strlen("file://") : "";
    bool is_web_store = str_starts(str_of(c->store), "https://") || str_starts(str_of(c->store), "http://");
    if (!is_folder_store && !is_web_store && !str_starts(str_of(c->store), "s3://"))
        return fail(e, ERR_CONFIG, "store: '%s' is neither s3://bucket/prefix nor file://folder nor https://host/prefix",
                    c->store);
    if (is_web_store && !check_web_store(c, e))
        return false;
    if (is_folder_store && !*folder)
        return fail(e, ERR_CONFIG, "store: 'file://' names no folder; write file://models");
    if (!loader_check_escape(l, "dataset", c->dataset, e) ||
        !loader_check_escape(l, "output-json", c->output_json, e) || !loader_check_escape(l, "store", folder, e) ||
        !loader_check_escape(l, "output", c->output, e) || !loader_check_escape(l, "annotate", c->annotate, e))
        return false;

    if (strcmp(c->command, "run"))
        return true;
    const char *dataset = fs_normal(a, c->dataset_path);
    if (is_inside(fs_normal(a, c->report_dir), dataset))
        return fail(e, ERR_CONFIG,
                    "dataset: '%s' contains the folder retrain-report, whose files would change the version on every "
                    "run: move the images and labels into a folder of their own",
                    c->dataset);
    if (is_folder_store && is_inside(fs_normal(a, fs_join(a, c->workspace, folder)), dataset))
        return fail(
            e, ERR_CONFIG,
            "store: '%s' lies inside the dataset '%s', so each model would change the version: name another folder",
            c->store, c->dataset);
    return true;
}
