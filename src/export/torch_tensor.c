/* A parameter is _rebuild_parameter(tensor, requires_grad, hooks), a tensor _rebuild_tensor_v2(storage, offset, size,
 * stride, ...), a storage the persistent id ("storage", type, key, device, number of elements), whose bytes are the entry
 * data/<key>. Sizes, strides and the offset count elements. Source: torch/_utils.py, torch/serialization.py. */
#include "export/torch_tensor.h"

#include <string.h>

#include "export/element.h"

#define MAX_DIMS 4

static const struct storage_type {
    const char *global;
    size_t size_bytes;
    enum element element;
} storage_types[] = {
    {"torch FloatStorage", 4, ELEMENT_F32},     {"torch HalfStorage", 2, ELEMENT_F16},  {"torch BFloat16Storage", 2, ELEMENT_BF16},
    {"torch DoubleStorage", 8, ELEMENT_F64},    {"torch LongStorage", 8, ELEMENT_SKIPPED}, {"torch IntStorage", 4, ELEMENT_SKIPPED},
    {"torch ShortStorage", 2, ELEMENT_SKIPPED}, {"torch CharStorage", 1, ELEMENT_SKIPPED}, {"torch ByteStorage", 1, ELEMENT_SKIPPED},
    {"torch BoolStorage", 1, ELEMENT_SKIPPED},
};

/* One tensor on its way. */
struct reading {
    struct torch_archive *archive;
    const char *name;
    const struct storage_type *type;
    struct str bytes; /* of the storage */
    uint64_t n_stored, offset, stride[MAX_DIMS];
    struct error *error;
};

static bool bad(const struct reading *r, const char *how)
{
    return fail(r->error, ERR_DATA, "%s: tensor %s %s", r->archive->what, r->name, how);
}

static bool is_count(const struct pickle_node *n)
{
    return pickle_is(n, PICKLE_INT) && n->integer >= 0;
}

/* Steps through the wrappers; false (silently) when nothing that makes a tensor is inside. */
static const struct pickle_node *tensor_args(const struct pickle_node *n)
{
    for (int depth = 0; depth < 4 && pickle_is(n, PICKLE_OBJECT); depth++) {
        if (pickle_is_global(n->callee, "torch._utils _rebuild_tensor_v2") || pickle_is_global(n->callee, "torch._utils _rebuild_tensor"))
            return n->args;
        if (!pickle_is_global(n->callee, "torch._utils _rebuild_parameter") &&
            !pickle_is_global(n->callee, "torch._utils _rebuild_parameter_with_state"))
            return NULL;
        n = pickle_at(n->args, 0);
    }
    return NULL;
}

static bool find_storage(struct reading *r, const struct pickle_node *stored)
{
    const struct pickle_node *id = pickle_is(stored, PICKLE_STORED) ? stored->args : NULL;
    const struct pickle_node *kind = pickle_at(id, 0), *type = pickle_at(id, 1), *key = pickle_at(id, 2), *count = pickle_at(id, 4);
    if (!pickle_is(kind, PICKLE_TEXT) || !str_is(kind->text, "storage") || !pickle_is(type, PICKLE_GLOBAL) ||
        !pickle_is(key, PICKLE_TEXT) || !is_count(count))
        return bad(r, "has a storage of a form that is not known");
    for (size_t i = 0; i < sizeof storage_types / sizeof *storage_types; i++)
        if (str_is(type->text, storage_types[i].global))
            r->type = &storage_types[i];
    if (!r->type)
        return fail(r->error, ERR_DATA, "%s: tensor %s has elements of type '" STR_FMT "', which cannot be read: save it with .float()",
                    r->archive->what, r->name, STR_ARG(type->text));

    struct str_buf path = STR_BUF(1024);
    str_buf_add(&path, r->archive->folder);
    str_buf_adds(&path, "data/");
    str_buf_add(&path, key->text);
    struct zip_entry *entry = path.overflow ? NULL : zip_find(&r->archive->zip, str_buf_view(&path));
    str_buf_free(&path);
    if (!entry)
        return bad(r, "lacks its storage");
    r->bytes = entry->bytes;
    r->n_stored = (uint64_t)count->integer;
    if (r->n_stored > entry->bytes.n / r->type->size_bytes)
        return bad(r, "is cut off: its storage is too short");
    return zip_check(entry, r->archive->what, r->error);
}

/* torch.Size is a tuple that is written as an object. */
static const struct pickle_node *plain_tuple(const struct pickle_node *n)
{
    return pickle_is(n, PICKLE_OBJECT) && pickle_is_global(n->callee, "torch Size") ? pickle_at(n->args, 0) : n;
}

/* The last element must lie inside the storage, and no element may be two of the tensor's: then no tensor is larger than
 * its file. */
static bool read_shape(struct reading *r, const struct pickle_node *args, struct file_tensor *out)
{
    const struct pickle_node *offset = pickle_at(args, 1), *size = plain_tuple(pickle_at(args, 2)), *stride = plain_tuple(pickle_at(args, 3));
    if (!is_count(offset) || !pickle_is(size, PICKLE_TUPLE) || !pickle_is(stride, PICKLE_TUPLE) || size->n != stride->n)
        return bad(r, "has a shape of a form that is not known");
    if (size->n > MAX_DIMS)
        return bad(r, "has more than 4 sizes");
    *out = (struct file_tensor){.name = r->name, .n_dims = (int)size->n, .dims = {1, 1, 1, 1}, .n = 1};
    r->offset = (uint64_t)offset->integer;
    uint64_t last = r->offset, step;
    for (size_t d = 0; d < size->n; d++) {
        if (!is_count(size->items[d]) || !is_count(stride->items[d]))
            return bad(r, "has a size or stride that is no count");
        out->dims[d] = size->items[d]->integer;
        r->stride[d] = (uint64_t)stride->items[d]->integer;
        if (__builtin_mul_overflow(out->n, (size_t)out->dims[d], &out->n))
            return bad(r, "has a shape that is too large");
        if (out->dims[d] > 0 && (__builtin_mul_overflow((uint64_t)out->dims[d] - 1, r->stride[d], &step) ||
                                 __builtin_add_overflow(last, step, &last)))
            return bad(r, "has strides that are too large");
    }
    if (out->n > 0 && (last >= r->n_stored || out->n > r->n_stored))
        return bad(r, "reaches beyond its storage");
    return true;
}

static void copy(const struct reading *r, const struct file_tensor *t, float *to)
{
    const uint64_t *s = r->stride;
    for (int64_t i = 0; i < t->dims[0]; i++)
        for (int64_t j = 0; j < t->dims[1]; j++)
            for (int64_t k = 0; k < t->dims[2]; k++)
                for (int64_t l = 0; l < t->dims[3]; l++) {
                    uint64_t at = r->offset + (uint64_t)i * s[0] + (uint64_t)j * s[1] + (uint64_t)k * s[2] + (uint64_t)l * s[3];
                    *to++ = element_read(r->type->element, r->bytes.p + at * r->type->size_bytes);
                }
}

bool torch_tensor_read(struct torch_archive *t, const struct pickle_node *node, const char *name, struct arena *a,
                       struct file_tensor *out, bool *is_weight, struct error *e)
{
    struct reading r = {.archive = t, .name = name, .error = e};
    const struct pickle_node *args = tensor_args(node);
    if (!args && pickle_is(node, PICKLE_OBJECT) && pickle_is(node->callee, PICKLE_GLOBAL))
        return fail(e, ERR_DATA, "%s: tensor %s is made by '" STR_FMT "', which is not known and was not run", t->what, name,
                    STR_ARG(node->callee->text));
    if (!args)
        return bad(&r, "is no tensor");
    if (!find_storage(&r, pickle_at(args, 0)) || !read_shape(&r, args, out))
        return false;
    *is_weight = r.type->element != ELEMENT_SKIPPED;
    if (!*is_weight)
        return true;
    t->n_elements += out->n;
    if (t->n_elements > t->n_bytes) /* halves that each appear twice would just do */
        return bad(&r, "is one of so many views of the same storage that they cannot be a model");
    float *values = ARENA_NEW(a, float, out->n);
    copy(&r, out, values);
    out->data = values;
    size_t where = first_not_finite(values, out->n);
    return where == out->n || fail(e, ERR_DATA, "%s: tensor %s holds a value that is not finite (element %zu)", t->what, name, where);
}
