/* Field numbers: onnx/onnx.proto. */
#include "export/onnx_read.h"

#include <string.h>

#include "core/json.h"
#include "export/element.h"
#include "export/protobuf.h"
#include "export/python_text.h"

enum { MODEL_GRAPH = 7, MODEL_METADATA = 14, ENTRY_KEY = 1, ENTRY_VALUE = 2, GRAPH_INITIALISER = 5 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_FLOATS = 4, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_DOUBLES = 10, TENSOR_LOCATION = 14 };
#define MAX_DIMS 4
#define MAX_TENSORS ((size_t)100000)
#define MAX_META 2

static const struct data_type {
    uint64_t number; /* TensorProto.DataType */
    size_t size_bytes;
    enum element element;
} data_types[] = {{1, 4, ELEMENT_F32}, {10, 2, ELEMENT_F16}, {11, 8, ELEMENT_F64}, {16, 2, ELEMENT_BF16}};

struct reader {
    const char *what;
    struct arena *arena;
    struct tensor_file *out;
    size_t cap;
    struct error *error;
};

static bool damaged(struct reader *r)
{
    return fail(r->error, ERR_DATA, "%s: not an ONNX file, or a damaged one", r->what);
}

/* One initialiser, its fields in whatever order they came. */
struct raw_tensor {
    struct str name, bytes;
    uint64_t type, dims[MAX_DIMS];
    size_t n_dims; /* more than MAX_DIMS are counted, not kept */
    bool is_elsewhere, has_bytes;
};

static void add_dim(struct raw_tensor *t, uint64_t v)
{
    if (t->n_dims < MAX_DIMS)
        t->dims[t->n_dims] = v;
    t->n_dims++;
}

static bool read_fields(struct str message, struct raw_tensor *t)
{
    struct pb_field f;
    uint64_t v = 0;
    *t = (struct raw_tensor){0};
    while (pb_next(&message, &f)) {
        if (f.number == TENSOR_DIMS && f.wire == PB_VARINT)
            add_dim(t, f.value);
        else if (f.number == TENSOR_DIMS)
            while (pb_varint(&f.bytes, &v))
                add_dim(t, v);
        else if (f.number == TENSOR_TYPE)
            t->type = f.value;
        else if (f.number == TENSOR_NAME)
            t->name = f.bytes;
        else if (f.number == TENSOR_LOCATION)
            t->is_elsewhere = f.value != 0;
        else if ((f.number == TENSOR_RAW || f.number == TENSOR_FLOATS || f.number == TENSOR_DOUBLES) && f.wire == PB_BYTES) {
            t->bytes = f.bytes;
            t->has_bytes = true;
        }
    }
    return message.n == 0;
}

static const struct data_type *type_of(const struct raw_tensor *t)
{
    for (size_t i = 0; i < sizeof data_types / sizeof *data_types; i++)
        if (data_types[i].number == t->type)
            return &data_types[i];
    return NULL;
}

static bool read_shape(struct reader *r, const struct raw_tensor *raw, const struct data_type *type, struct file_tensor *t)
{
    uint64_t size;
    if (raw->n_dims > MAX_DIMS)
        return fail(r->error, ERR_DATA, "%s: tensor %s has more than 4 sizes", r->what, t->name);
    *t = (struct file_tensor){.name = t->name, .n_dims = (int)raw->n_dims, .dims = {1, 1, 1, 1}, .n = 1};
    for (size_t d = 0; d < raw->n_dims; d++) {
        t->dims[d] = (int64_t)raw->dims[d];
        if (t->dims[d] < 0 || __builtin_mul_overflow(t->n, (size_t)raw->dims[d], &t->n))
            return fail(r->error, ERR_DATA, "%s: tensor %s has a shape that is too large", r->what, t->name);
    }
    if (__builtin_mul_overflow((uint64_t)t->n, type->size_bytes, &size) || size != raw->bytes.n)
        return fail(r->error, ERR_DATA, "%s: tensor %s: its shape does not fit its %zu bytes", r->what, t->name, raw->bytes.n);
    return true;
}

static bool add_tensor(struct reader *r, struct str message)
{
    struct raw_tensor raw;
    if (!read_fields(message, &raw))
        return damaged(r);
    const struct data_type *type = type_of(&raw);
    if (!type)
        return true;
    struct file_tensor t = {.name = str_dup(r->arena, raw.name)};
    if (raw.is_elsewhere || !raw.has_bytes)
        return fail(r->error, ERR_DATA, "%s: tensor %s lies in another file, or is stored in a way that is not known: save the model as one file",
                    r->what, t.name);
    if (!read_shape(r, &raw, type, &t))
        return false;
    float *values = ARENA_NEW(r->arena, float, t.n);
    for (size_t i = 0; i < t.n; i++)
        values[i] = element_read(type->element, raw.bytes.p + i * type->size_bytes);
    t.data = values;
    size_t bad = first_not_finite(values, t.n);
    if (bad < t.n)
        return fail(r->error, ERR_DATA, "%s: tensor %s holds a value that is not finite (element %zu)", r->what, t.name, bad);
    if (r->out->n_tensors == MAX_TENSORS)
        return fail(r->error, ERR_DATA, "%s: more than %zu tensors", r->what, MAX_TENSORS);
    MEM_GROW(r->out->tensors, r->out->n_tensors, r->cap);
    r->out->tensors[r->out->n_tensors++] = t;
    return true;
}

static bool read_graph(struct reader *r, struct str graph)
{
    struct pb_field f;
    while (pb_next(&graph, &f))
        if (f.number == GRAPH_INITIALISER && f.wire == PB_BYTES && !add_tensor(r, f.bytes))
            return false;
    return graph.n == 0 || damaged(r);
}

/* ---- metadata: values are Python literals, of which those that are not understood count as absent ---- */

static const char *names_text(struct reader *r, struct str value)
{
    struct json *list;
    if (!python_names(value, &list))
        return NULL;
    struct str_buf text = STR_BUF(4 << 20);
    json_write(list, false, &text);
    const char *copy = text.overflow ? NULL : str_dup(r->arena, str_buf_view(&text));
    str_buf_free(&text);
    json_free(list);
    return copy;
}

/* "[320, 320]" -> "320" */
static const char *size_text(struct reader *r, struct str value)
{
    int64_t h, w;
    struct str first = {0}, rest = str_trim(value);
    if (!str_starts(rest, "[") || !str_ends(rest, "]"))
        return NULL;
    rest = str_slice(rest, 1, rest.n - 1);
    if (!str_cut(&rest, ',', &first) || !str_to_int64(str_trim(first), &h) || !str_to_int64(str_trim(rest), &w) || h != w)
        return NULL;
    return arena_printf(r->arena, "%lld", (long long)h);
}

static bool add_meta(struct reader *r, struct str message)
{
    struct pb_field f;
    struct str key = {0}, value = {0};
    while (pb_next(&message, &f)) {
        if (f.number == ENTRY_KEY)
            key = f.bytes;
        else if (f.number == ENTRY_VALUE)
            value = f.bytes;
    }
    if (message.n != 0)
        return damaged(r);
    const char *name = str_is(key, "names") ? "names" : str_is(key, "imgsz") ? "imgsz" : NULL;
    if (!name || tensor_file_meta(r->out, name))
        return true;
    const char *text = !strcmp(name, "names") ? names_text(r, value) : size_text(r, value);
    if (text)
        r->out->meta[r->out->n_meta++] = (struct file_meta){name, text};
    return true;
}

static bool read_model(struct reader *r, struct str model)
{
    struct pb_field f;
    while (pb_next(&model, &f)) {
        if (f.number == MODEL_GRAPH && f.wire == PB_BYTES && !read_graph(r, f.bytes))
            return false;
        if (f.number == MODEL_METADATA && f.wire == PB_BYTES && !add_meta(r, f.bytes))
            return false;
    }
    return model.n == 0 || damaged(r);
}

bool onnx_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e)
{
    struct reader r = {.what = what, .arena = a, .out = out, .error = e};
    *out = (struct tensor_file){.meta = ARENA_NEW(a, struct file_meta, MAX_META)};
    bool ok = read_model(&r, bytes);
    struct file_tensor *grown = out->tensors;
    out->tensors = ARENA_NEW(a, struct file_tensor, out->n_tensors);
    for (size_t i = 0; i < out->n_tensors; i++)
        out->tensors[i] = grown[i];
    mem_free(grown);
    return ok && (out->n_tensors > 0 || fail(e, ERR_DATA, "%s: an ONNX file without weights", what));
}
