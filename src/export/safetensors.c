/* The safetensors format: u64 header length, JSON header, then the tensors' bytes without holes. */
#include "export/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "export/element.h"

#define HEADER_MAX ((uint64_t)100 << 20) /* the limit of the reference reader */
#define LENGTH_BYTES 8
#define ALIGN 8

/* What is skipped is checked for its place in the file all the same. */
static const struct dtype {
    const char *name;
    uint64_t size_bytes;
    enum element element;
} dtypes[] = {
    {"F32", 4, ELEMENT_F32},     {"F16", 2, ELEMENT_F16},     {"BF16", 2, ELEMENT_BF16},   {"F64", 8, ELEMENT_F64},
    {"I64", 8, ELEMENT_SKIPPED}, {"I32", 4, ELEMENT_SKIPPED}, {"I16", 2, ELEMENT_SKIPPED}, {"I8", 1, ELEMENT_SKIPPED},
    {"U64", 8, ELEMENT_SKIPPED}, {"U32", 4, ELEMENT_SKIPPED}, {"U16", 2, ELEMENT_SKIPPED}, {"U8", 1, ELEMENT_SKIPPED},
    {"BOOL", 1, ELEMENT_SKIPPED},
};

static uint64_t size_of(const struct file_tensor *t)
{
    return mem_mul(t->n, t->ints ? sizeof(int64_t) : sizeof(float));
}

static struct json *describe(const struct file_tensor *t, uint64_t begin)
{
    struct json *v = json_new_object(), *shape = json_new_array(), *offsets = json_new_array();
    for (int d = 0; d < t->n_dims; d++)
        json_append(shape, json_new_int(t->dims[d]));
    json_append(offsets, json_new_int((int64_t)begin));
    json_append(offsets, json_new_int((int64_t)(begin + size_of(t))));
    json_set(v, "dtype", json_new_string(t->ints ? "I64" : "F32"));
    json_set(v, "shape", shape);
    json_set(v, "data_offsets", offsets);
    return v;
}

/* Integers come first in the data: then every tensor lies on a multiple of its element's size, which readers that map the
 * file count on. */
static void add_data(const struct tensor_file *f, struct str *parts)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (f->tensors[i].ints)
            *parts++ = (struct str){(const char *)f->tensors[i].ints, size_of(&f->tensors[i])};
    for (size_t i = 0; i < f->n_tensors; i++)
        if (!f->tensors[i].ints)
            *parts++ = (struct str){(const char *)f->tensors[i].data, size_of(&f->tensors[i])};
}

static void write_header(const struct tensor_file *f, struct str_buf *out)
{
    struct json *header = json_new_object();
    if (f->n_meta > 0) {
        struct json *meta = json_new_object();
        for (size_t i = 0; i < f->n_meta; i++)
            json_set(meta, f->meta[i].key, json_new_string(f->meta[i].value));
        json_set(header, "__metadata__", meta);
    }
    uint64_t ints = 0, floats = 0;
    for (size_t i = 0; i < f->n_tensors; i++)
        floats += f->tensors[i].ints ? size_of(&f->tensors[i]) : 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        uint64_t *begin = f->tensors[i].ints ? &ints : &floats;
        json_set(header, f->tensors[i].name, describe(&f->tensors[i], *begin));
        *begin += size_of(&f->tensors[i]);
    }
    json_write(header, false, out);
    json_free(header);
    while (out->n % ALIGN != 0) /* the length field is 8 bytes itself, so this aligns the data in the file */
        str_buf_addc(out, ' ');
}

bool safetensors_write(const char *path, const struct tensor_file *f, struct error *e)
{
    struct str_buf header = STR_BUF(HEADER_MAX);
    write_header(f, &header);
    uint64_t n = header.n;
    struct str *parts = mem_alloc(mem_mul(2 + f->n_tensors, sizeof *parts));
    parts[0] = (struct str){(const char *)&n, LENGTH_BYTES};
    parts[1] = str_buf_view(&header);
    add_data(f, parts + 2);
    bool ok = header.overflow ? fail(e, ERR_INTERNAL, "%s: a header over 100 MB", path)
                              : fs_write_parts(path, parts, 2 + f->n_tensors, e);
    mem_free(parts);
    str_buf_free(&header);
    return ok;
}

/* ---- reading ---- */

struct extent {
    uint64_t begin, end;
    const char *name;
};

struct reader {
    const char *what;
    struct arena *arena;
    struct str data;
    struct tensor_file *out;
    struct extent *extents; /* of every tensor, skipped ones too */
    size_t n_extents;
    struct error *error;
    bool ok;
};

/* NULL = failure. F32 stays where it lies, unless the file puts it at an odd address. */
static const float *widen(struct reader *r, const char *from, const struct dtype *type, const char *name, size_t n)
{
    const float *values = (const float *)(const void *)from;
    if (type->element != ELEMENT_F32 || (uintptr_t)from % _Alignof(float) != 0) {
        float *to = ARENA_NEW(r->arena, float, n);
        for (size_t i = 0; i < n; i++)
            to[i] = element_read(type->element, from + i * type->size_bytes);
        values = to;
    }
    size_t bad = first_not_finite(values, n);
    if (bad == n)
        return values;
    fail(r->error, ERR_DATA, "%s: tensor %s holds a value that is not finite (element %zu)", r->what, name, bad);
    return NULL;
}

static bool read_shape(struct reader *r, const char *name, const struct json *shape, struct file_tensor *t)
{
    size_t n_dims = json_len(shape);
    if (json_kind(shape) != JSON_ARRAY || n_dims > 4)
        return fail(r->error, ERR_DATA, "%s: tensor %s needs a shape of at most 4 sizes", r->what, name);
    t->name = arena_strdup(r->arena, name);
    t->n_dims = (int)n_dims;
    t->n = 1;
    for (size_t d = 0; d < 4; d++) {
        t->dims[d] = 1;
        if (d >= n_dims)
            continue;
        if (!json_int64(json_at(shape, d), &t->dims[d]) || t->dims[d] < 0)
            return fail(r->error, ERR_DATA, "%s: tensor %s: a size of its shape is no whole number", r->what, name);
        if (__builtin_mul_overflow(t->n, (size_t)t->dims[d], &t->n))
            return fail(r->error, ERR_DATA, "%s: tensor %s: its shape is too large", r->what, name);
    }
    return true;
}

static bool read_extent(struct reader *r, const char *name, const struct json *offsets, uint64_t size_bytes, struct extent *out)
{
    int64_t begin, end;
    if (json_kind(offsets) != JSON_ARRAY || json_len(offsets) != 2 || !json_int64(json_at(offsets, 0), &begin) ||
        !json_int64(json_at(offsets, 1), &end) || begin < 0 || end < begin)
        return fail(r->error, ERR_DATA, "%s: tensor %s needs data_offsets [begin, end]", r->what, name);
    if ((uint64_t)end > r->data.n)
        return fail(r->error, ERR_DATA, "%s: tensor %s ends at byte %lld of %zu: the file is cut off", r->what, name,
                    (long long)end, r->data.n);
    if ((uint64_t)(end - begin) != size_bytes)
        return fail(r->error, ERR_DATA, "%s: tensor %s: its shape needs %llu bytes, its offsets span %lld", r->what, name,
                    (unsigned long long)size_bytes, (long long)(end - begin));
    *out = (struct extent){(uint64_t)begin, (uint64_t)end, arena_strdup(r->arena, name)};
    return true;
}

static bool read_tensor(struct reader *r, const char *name, const struct json *v)
{
    const char *type = json_string(json_get(v, "dtype"), "");
    const struct dtype *dtype = NULL;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, type))
            dtype = &dtypes[i];
    if (!dtype)
        return fail(r->error, ERR_DATA, "%s: tensor %s: cannot read its dtype '%s'; save it as F32, F16, BF16 or F64", r->what, name,
                    type);
    struct file_tensor t = {0};
    uint64_t size_bytes;
    struct extent *extent = &r->extents[r->n_extents];
    if (!read_shape(r, name, json_get(v, "shape"), &t))
        return false;
    if (__builtin_mul_overflow((uint64_t)t.n, dtype->size_bytes, &size_bytes))
        return fail(r->error, ERR_DATA, "%s: tensor %s: its shape is too large", r->what, name);
    if (!read_extent(r, name, json_get(v, "data_offsets"), size_bytes, extent))
        return false;
    r->n_extents++;
    if (dtype->element == ELEMENT_SKIPPED)
        return true;
    t.data = widen(r, r->data.p + extent->begin, dtype, name, t.n);
    if (!t.data)
        return false;
    r->out->tensors[r->out->n_tensors++] = t;
    return true;
}

static bool each_meta(const char *key, const struct json *v, void *ctx)
{
    struct reader *r = ctx;
    if (json_kind(v) != JSON_STRING) {
        r->ok = fail(r->error, ERR_DATA, "%s: metadata %s is not a text", r->what, key);
        return false;
    }
    r->out->meta[r->out->n_meta++] = (struct file_meta){arena_strdup(r->arena, key), arena_strdup(r->arena, json_string(v, ""))};
    return true;
}

static bool each_entry(const char *key, const struct json *v, void *ctx)
{
    struct reader *r = ctx;
    if (strcmp(key, "__metadata__") != 0) {
        r->ok = read_tensor(r, key, v);
    } else if (json_kind(v) != JSON_OBJECT) {
        r->ok = fail(r->error, ERR_DATA, "%s: __metadata__ is not an object", r->what);
    } else {
        r->out->meta = ARENA_NEW(r->arena, struct file_meta, json_len(v));
        json_each(v, each_meta, r);
    }
    return r->ok;
}

static int by_begin(const void *pa, const void *pb)
{
    const struct extent *a = pa, *b = pb;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* Bytes that two tensors share, or that none owns, could hide anything: the format forbids both. */
static bool check_cover(struct reader *r)
{
    if (r->n_extents > 1)
        qsort(r->extents, r->n_extents, sizeof *r->extents, by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < r->n_extents; i++) {
        const struct extent *x = &r->extents[i];
        if (x->begin != at)
            return fail(r->error, ERR_DATA, "%s: tensor %s begins at byte %llu where %llu was due: the file is damaged", r->what,
                        x->name, (unsigned long long)x->begin, (unsigned long long)at);
        at = x->end;
    }
    if (at != r->data.n)
        return fail(r->error, ERR_DATA, "%s: %llu bytes after the last tensor: the file is damaged", r->what,
                    (unsigned long long)(r->data.n - at));
    return true;
}

bool safetensors_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e)
{
    uint64_t n;
    *out = (struct tensor_file){0};
    if (bytes.n < LENGTH_BYTES)
        return fail(e, ERR_DATA, "%s: %zu bytes are too few for a safetensors file", what, bytes.n);
    memcpy(&n, bytes.p, sizeof n);
    if (n > HEADER_MAX)
        return fail(e, ERR_DATA, "%s: not a safetensors file (or its header is over 100 MB)", what);
    if (n > bytes.n - LENGTH_BYTES)
        return fail(e, ERR_DATA, "%s: its header of %llu bytes is cut off after %zu", what, (unsigned long long)n,
                    bytes.n - LENGTH_BYTES);
    if (n == 0 || bytes.p[LENGTH_BYTES] != '{')
        return fail(e, ERR_DATA, "%s: not a safetensors file: its header does not begin with {", what);

    struct json *header;
    if (!json_parse((struct str){bytes.p + LENGTH_BYTES, (size_t)n}, "header", &header, e))
        return fail_in(e, "%s", what);
    size_t n_entries = json_len(header);
    struct reader r = {.what = what, .arena = a, .out = out, .error = e, .ok = true};
    r.data = str_slice(bytes, LENGTH_BYTES + (size_t)n, bytes.n);
    r.extents = ARENA_NEW(a, struct extent, n_entries);
    out->tensors = ARENA_NEW(a, struct file_tensor, n_entries);
    json_each(header, each_entry, &r);
    json_free(header);
    return r.ok && check_cover(&r);
}
