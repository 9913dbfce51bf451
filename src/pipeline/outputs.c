#include "pipeline/outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"

static const char *metric_text(const struct json *manifest, const char *name, struct arena *a)
{
    const struct json *v = json_get(json_get(manifest, "metrics"), name);
    return json_kind(v) == JSON_NUMBER ? arena_printf(a, "%.4f", json_number(v, 0)) : "";
}

void outputs_from_manifest(struct outputs *out, const struct json *manifest, const struct store *store, struct arena *a)
{
    if (!manifest)
        return;
    out->map50 = metric_text(manifest, "map50", a);
    out->map50_95 = metric_text(manifest, "map50_95", a);

    /* The model is the ONNX file; where only other formats were published, the first of them. */
    const struct json *artifacts = json_get(manifest, "artifacts"), *model = NULL;
    for (size_t i = 0; i < json_len(artifacts); i++) {
        const struct json *x = json_at(artifacts, i);
        const char *name = json_string(json_get(x, "name"), "");
        if (!strcmp(name, "model.onnx") || (!model && !strncmp(name, "model.", 6)))
            model = x;
    }
    if (!model)
        return;
    out->model_key = arena_strdup(a, json_string(json_get(model, "key"), ""));
    out->model_sha256 = arena_strdup(a, json_string(json_get(model, "sha256"), ""));
    if (store && *out->model_key)
        out->model_url = store_object_url(store, out->model_key, a);
}

static struct json *json_value(const char *name, const char *text)
{
    if (!text || !*text)
        return json_new_string(NULL);
    return strncmp(name, "map50", 5) ? json_new_string(text) : json_new_number(strtod(text, NULL));
}

static bool write_json(const struct output *all, size_t n, const char *path, const char *message, struct error *e)
{
    struct json *root = json_new_object();
    struct str_buf text = STR_BUF(64 << 10);
    for (size_t i = 0; i < n; i++)
        json_set(root, all[i].name, json_value(all[i].name, all[i].value));
    json_set(root, "error", json_new_string(message));
    json_write(root, true, &text);
    struct arena a = {0};
    bool ok = fs_mkdirs(fs_dir(&a, path), e) && fs_write_atomic(path, str_buf_view(&text), e);
    arena_free(&a);
    str_buf_free(&text);
    json_free(root);
    return ok;
}

void outputs_set(const struct outputs *out, const struct host *h, const char *json_path, const char *error_message)
{
    const struct output all[] = {
#define OUTPUT_VALUE(field, name, description) {name, out->field ? out->field : ""},
        OUTPUTS(OUTPUT_VALUE)
#undef OUTPUT_VALUE
    };
    size_t n = sizeof all / sizeof all[0];
    host_set_outputs(h, all, n);
    struct error e = {0};
    if (json_path && *json_path && !write_json(all, n, json_path, error_message, &e))
        log_warning("output-json: %s", e.message);
}
