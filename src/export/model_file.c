#include "export/model_file.h"

#include <math.h>
#include <string.h>

#include "core/json.h"
#include "export/model_scale.h"
#include "export/safetensors.h"

static char *names_json(const struct model *m, struct arena *a)
{
    struct json *list = json_new_array();
    struct str_buf text = STR_BUF(4 << 20);
    for (int i = 0; i < m->spec.n_classes; i++)
        json_append(list, json_new_string(m->class_names[i]));
    json_write(list, false, &text);
    char *out = str_dup(a, str_buf_view(&text));
    str_buf_free(&text);
    json_free(list);
    return out;
}

/* PyTorch's BatchNorm counts its batches. Nothing that reads a detector uses the count, and the EMA, which is what is
 * published, holds 0 in the reference too; but a strict load wants the entry, a number without dimensions. */
static struct file_tensor batch_counter(const char *running_var, struct arena *a)
{
    static const int64_t count = 0;
    int n_prefix = (int)(strlen(running_var) - strlen("running_var"));
    return (struct file_tensor){.name = arena_printf(a, "%.*snum_batches_tracked", n_prefix, running_var), .ints = &count, .n = 1};
}

/* The bins' values as the weights of a 1x1 convolution: a constant of the architecture. */
static struct file_tensor bins(void)
{
    static const float values[SPEC_REG_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return (struct file_tensor){
        .name = "model.22.dfl.conv.weight", .n_dims = 4, .dims = {1, SPEC_REG_MAX, 1, 1}, .data = values, .n = SPEC_REG_MAX};
}

/* All entries of the reference's state_dict, in its order: the parameters and the two kinds that are not trained. */
static size_t state_dict(const struct model *m, const real *weights, struct arena *a, struct file_tensor *out)
{
    size_t n = 0;
    for (int i = 0; i < m->params.n_items; i++) {
        const struct param *p = &m->params.items[i];
        out[n] = (struct file_tensor){.name = p->name, .n_dims = p->n_dims, .data = weights + p->offset, .n = p->n};
        for (int d = 0; d < 4; d++)
            out[n].dims[d] = p->dims[d];
        n++;
        if (p->kind == PARAM_VAR)
            out[n++] = batch_counter(p->name, a);
    }
    out[n++] = bins();
    return n;
}

bool model_save(const char *path, const struct model *m, const real *weights, const struct model_file_info *info,
                struct error *e)
{
    for (size_t i = 0; i < m->params.n_total; i++)
        if (!isfinite(weights[i]))
            return fail(e, ERR_DIVERGED, "the weights are not finite: nothing was written to %s", path);
    struct arena a = {0};
    struct file_tensor *tensors = ARENA_NEW(&a, struct file_tensor, 2 * (size_t)m->params.n_items + 1);
    size_t n_tensors = state_dict(m, weights, &a, tensors);
    struct file_meta meta[9] = {
        {"format", "pt"}, /* what readers of this field expect: row-major, PyTorch's names */
        {"task", "detect"},
        {"scale", arena_printf(&a, "yolov8%c", m->spec.scale)},
        {"nc", arena_printf(&a, "%d", m->spec.n_classes)},
        {"names", names_json(m, &a)},
        {"stride", "32"},
        {"imgsz", arena_printf(&a, "%d", m->image_size)},
    };
    size_t n_meta = 7;
    if (*info->version)
        meta[n_meta++] = (struct file_meta){"retrain.version", info->version};
    if (*info->dataset_checksum)
        meta[n_meta++] = (struct file_meta){"retrain.dataset", info->dataset_checksum};
    struct tensor_file f = {.tensors = tensors, .n_tensors = n_tensors, .meta = meta, .n_meta = n_meta};
    bool ok = safetensors_write(path, &f, e);
    arena_free(&a);
    return ok;
}

static bool same_shape(const struct param *p, const struct file_tensor *t)
{
    if (t->n != p->n || t->n_dims != p->n_dims)
        return false;
    for (int d = 0; d < p->n_dims; d++)
        if (t->dims[d] != p->dims[d])
            return false;
    return true;
}

static bool parse_names(const char *text, const char *path, struct arena *a, const char *const **out, int *n,
                        struct error *e)
{
    struct json *list;
    if (!json_parse(str_of(text), "names", &list, e))
        return fail_in(e, "%s", path);
    *n = (int)json_len(list);
    const char **names = ARENA_NEW(a, const char *, (size_t)*n);
    for (int i = 0; i < *n; i++)
        names[i] = arena_strdup(a, json_string(json_at(list, (size_t)i), "?"));
    json_free(list);
    *out = names;
    return true;
}

char model_scale(const struct tensor_file *f)
{
    static const struct {
        int64_t width;
        char scale;
    } widths[] = {{16, 'n'}, {32, 's'}, {48, 'm'}, {64, 'l'}, {80, 'x'}};
    const struct file_tensor *first = tensor_file_find(f, "model.0.conv.weight");
    for (size_t i = 0; first && i < sizeof widths / sizeof *widths; i++)
        if (widths[i].width == first->dims[0])
            return widths[i].scale;
    return '?';
}

static bool load(const char *path, const struct tensor_file *f, struct arena *a, struct model *out, struct error *e)
{
    const char *names_text = tensor_file_meta(f, "names"), *size = tensor_file_meta(f, "imgsz");
    if (!names_text || !size)
        return fail(e, ERR_DATA, "%s: does not tell its class names or image size, so it is no whole model", path);
    int64_t pixels;
    if (!str_to_int64(str_of(size), &pixels) || pixels < 32 || pixels > 8192 || pixels % 32 != 0)
        return fail(e, ERR_DATA, "%s: imgsz '%s' is not a multiple of 32", path, size);
    const char *const *names = NULL;
    int n_names = 0;
    struct spec spec;
    if (!parse_names(names_text, path, a, &names, &n_names, e))
        return false;
    if (!spec_build(model_scale(f), n_names, &spec, e))
        return fail_in(e, "%s", path);
    model_make(&spec, names, (int)pixels, false, a, out);
    for (int i = 0; i < out->params.n_items; i++) {
        const struct param *p = &out->params.items[i];
        const struct file_tensor *t = tensor_file_find(f, p->name);
        if (!t || !same_shape(p, t))
            return fail(e, ERR_DATA, "%s: tensor %s is missing or has another shape", path, p->name);
        memcpy(out->params.data + p->offset, t->data, p->n * sizeof(real));
    }
    return true;
}

bool model_load(const char *path, struct arena *a, struct model *out, struct error *e)
{
    struct arena file = {0};
    struct tensor_file f;
    bool ok = tensor_file_read(path, &file, &f, e) && load(path, &f, a, out, e);
    arena_free(&file);
    return ok;
}
