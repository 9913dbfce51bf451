#include "export/onnx.h"

#include <math.h>

#include "core/fs.h"
#include "export/onnx_net.h"
#include "export/python_text.h"

enum { MODEL_METADATA = 14, ENTRY_KEY = 1, ENTRY_VALUE = 2 }; /* ModelProto.metadata_props, StringStringEntryProto */

static void add_entry(struct str_buf *b, const char *key, const char *value)
{
    struct str_buf entry = PB_MESSAGE;
    pb_text(&entry, ENTRY_KEY, key);
    pb_text(&entry, ENTRY_VALUE, value);
    pb_message(b, MODEL_METADATA, &entry);
}

static const char *names_text(const struct spec *spec, const struct onnx_options *o, struct arena *a)
{
    struct str_buf b = PB_MESSAGE;
    for (int i = 0; i < spec->n_classes; i++) {
        str_buf_printf(&b, "%s%d: ", i ? ", " : "{", i);
        python_repr(str_of(o->class_names[i]), &b);
    }
    str_buf_addc(&b, '}');
    const char *text = str_dup(a, str_buf_view(&b));
    str_buf_free(&b);
    return text;
}

/* The keys that readers of YOLO models look up; all values are texts of Python literals. */
static void add_metadata(struct str_buf *b, const struct spec *spec, const struct onnx_options *o, struct arena *a)
{
    add_entry(b, "description", arena_printf(a, "YOLOv8%c detector, %d classes, trained by retrain", spec->scale, spec->n_classes));
    add_entry(b, "author", "retrain");
    if (*o->date)
        add_entry(b, "date", o->date);
    if (*o->version)
        add_entry(b, "version", o->version);
    add_entry(b, "license", "as the training data and its owner say");
    add_entry(b, "docs", "retrain: docs/models.md");
    add_entry(b, "stride", "32");
    add_entry(b, "task", "detect");
    add_entry(b, "batch", "1");
    add_entry(b, "imgsz", arena_printf(a, "[%d, %d]", o->image_size, o->image_size));
    add_entry(b, "names", names_text(spec, o, a));
    /* Never 'dynamic': to the reference that frees height and width too, and it would send pictures of their own shape. */
    add_entry(b, "args",
              arena_printf(a, "{'batch': 1, 'half': False, 'dynamic': False, 'simplify': True, 'opset': %d, 'nms': False}", GRAPH_OPSET));
    add_entry(b, "channels", "3");
    if (*o->version)
        add_entry(b, "retrain.version", o->version);
    if (*o->dataset_checksum)
        add_entry(b, "retrain.dataset", o->dataset_checksum);
}

bool onnx_write(const char *path, const struct spec *spec, const struct param_set *p, const real *weights,
                const struct onnx_options *o, struct error *e)
{
    if (o->image_size < 32 || o->image_size % 32 != 0)
        BUG("image size %d is no multiple of 32", o->image_size);
    for (size_t i = 0; i < p->n_total; i++)
        if (!isfinite(weights[i]))
            return fail(e, ERR_DIVERGED, "the weights are not finite: nothing was written to %s", path);

    struct arena a = {0};
    struct graph g = {.arena = &a, .nodes = PB_MESSAGE, .initialisers = PB_MESSAGE};
    struct str_buf metadata = PB_MESSAGE;
    int batch = o->dynamic_batch ? GRAPH_ANY_BATCH : 1;
    bool is_finite = onnx_net_add(&g, spec, p, weights, o->image_size, batch);
    add_metadata(&metadata, spec, o, &a);
    struct graph_value in = {"images", 4, {batch, 3, o->image_size, o->image_size}};
    struct graph_value out = {"output0", 3, {batch, 4 + spec->n_classes, spec_anchors(o->image_size, o->image_size)}};
    struct str_buf model = graph_finish(&g, "retrain", &in, &out, &metadata);

    bool ok = (is_finite || fail(e, ERR_DIVERGED, "the folded weights are not finite: nothing was written to %s", path)) &&
              (!model.overflow || fail(e, ERR_INTERNAL, "%s: the model is over 2 GB, which ONNX cannot hold in one file", path)) &&
              fs_write_atomic(path, str_buf_view(&model), e);
    str_buf_free(&model);
    arena_free(&a);
    return ok;
}
