#include "export/transfer.h"

#include <string.h>

#include "core/str.h"
#include "export/model_scale.h"
#include "export/tensor_file.h"

static bool same_shape(const struct param *p, const struct file_tensor *t)
{
    bool same = t->n_dims == p->n_dims;
    for (int d = 0; same && d < p->n_dims; d++)
        same = t->dims[d] == p->dims[d];
    return same;
}

static bool is_class_branch(const char *name)
{
    return !strncmp(name, "model.22.cv3.", strlen("model.22.cv3."));
}

/* The hidden channels carry no order, so the first are as good as any others. The last convolution of a level (".2.") has
 * a row for each class: the file's first rows are other classes. */
static bool can_cut(const struct param *p, const struct file_tensor *t)
{
    bool fits = t->n_dims == p->n_dims && !strstr(p->name, ".2.weight") && !strstr(p->name, ".2.bias");
    for (int d = 0; fits && d < p->n_dims; d++)
        fits = t->dims[d] >= p->dims[d];
    return fits;
}

/* to[i,j,k,l] = from[i,j,k,l] for the i, j, k, l of the model's tensor, which is nowhere the larger. */
static void copy(const struct param *p, const struct file_tensor *t, real *to)
{
    for (int i = 0; i < p->dims[0]; i++)
        for (int j = 0; j < p->dims[1]; j++)
            for (int k = 0; k < p->dims[2]; k++)
                for (int l = 0; l < p->dims[3]; l++)
                    *to++ = (real)t->data[((i * t->dims[1] + j) * t->dims[2] + k) * t->dims[3] + l];
}

static const char *shape_text(struct arena *a, int n_dims, const int64_t *dims)
{
    const char *text = "[";
    for (int d = 0; d < n_dims; d++)
        text = arena_printf(a, "%s%s%lld", text, d ? "," : "", (long long)dims[d]);
    return arena_printf(a, "%s]", text);
}

static bool does_not_fit(const char *path, const struct model *m, const struct param *p, const struct file_tensor *t,
                         const struct tensor_file *f, struct arena *a, struct error *e)
{
    int64_t ours[4] = {p->dims[0], p->dims[1], p->dims[2], p->dims[3]};
    const char *difference = arena_printf(a, "%s: tensor %s is %s there and %s in this model of scale %c", path, p->name,
                                          shape_text(a, t->n_dims, t->dims), shape_text(a, p->n_dims, ours), m->spec.scale);
    char scale = model_scale(f);
    if (scale != '?' && scale != m->spec.scale)
        return fail(e, ERR_CONFIG, "%s: these are weights of scale %c; give weights of scale %c, or train with model %c", difference,
                    scale, m->spec.scale, scale);
    return fail(e, ERR_CONFIG, "%s: these are weights of another architecture", difference);
}

static bool take(const char *path, struct model *m, const struct tensor_file *f, enum transfer_kind *kinds, struct arena *a,
                 struct error *e)
{
    for (int i = 0; i < m->params.n_items; i++) {
        const struct param *p = &m->params.items[i];
        const struct file_tensor *t = tensor_file_find(f, p->name);
        bool is_same = t && same_shape(p, t);
        if (t && !is_same && !is_class_branch(p->name))
            return does_not_fit(path, m, p, t, f, a, e);
        kinds[i] = !t               ? TRANSFER_ABSENT
                   : is_same        ? TRANSFER_TAKEN
                   : can_cut(p, t) ? TRANSFER_CUT
                                    : TRANSFER_CLASSES;
        if (kinds[i] != TRANSFER_TAKEN && kinds[i] != TRANSFER_CUT)
            continue;
        copy(p, t, m->params.data + p->offset);
        if (m->params.ema)
            memcpy(m->params.ema + p->offset, m->params.data + p->offset, p->n * sizeof(real));
    }
    return true;
}

/* Files hold constants too: the bins' values, and what an ONNX graph computes with. */
static bool is_weight(const char *name)
{
    struct str s = str_of(name);
    return (str_ends(s, ".weight") || str_ends(s, ".bias") || str_ends(s, ".running_mean") || str_ends(s, ".running_var")) &&
           !str_is(s, "model.22.dfl.conv.weight");
}

static void count(const struct model *m, const struct tensor_file *f, struct transfer *out)
{
    int *const counts[] = {[TRANSFER_TAKEN] = &out->n_taken,
                           [TRANSFER_CUT] = &out->n_cut,
                           [TRANSFER_CLASSES] = &out->n_classes,
                           [TRANSFER_ABSENT] = &out->n_absent};
    for (int i = 0; i < m->params.n_items; i++)
        ++*counts[out->kinds[i]];
    for (size_t i = 0; i < f->n_tensors; i++)
        out->n_unused += is_weight(f->tensors[i].name) && !param_find(&m->params, f->tensors[i].name);
}

bool transfer_weights(const char *path, struct model *m, struct arena *a, struct transfer *out, struct error *e)
{
    struct arena file = {0};
    struct tensor_file f;
    enum transfer_kind *kinds = ARENA_NEW(a, enum transfer_kind, (size_t)m->params.n_items);
    *out = (struct transfer){.kinds = kinds};
    bool ok = tensor_file_read(path, &file, &f, e) && take(path, m, &f, kinds, &file, e);
    if (ok)
        count(m, &f, out);
    if (ok && out->n_taken == 0)
        ok = fail(e, ERR_DATA, "%s: none of its %zu tensors has a name of this model: not weights of a YOLOv8 detector", path,
                  f.n_tensors);
    arena_free(&file);
    return ok;
}

const char *transfer_text(const struct transfer *t, const struct model *m, struct arena *a)
{
    static const struct {
        enum transfer_kind kind;
        const char *what;
    } rows[] = {
        {TRANSFER_CUT, "of the wider class branch by their first channels"},
        {TRANSFER_CLASSES, "left fresh because the classes are others"},
        {TRANSFER_ABSENT, "left fresh because the file lacks them"},
    };
    const int counts[] = {t->n_cut, t->n_classes, t->n_absent};
    const char *text = arena_printf(a, "%d of %d tensors taken", t->n_taken, m->params.n_items);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int first = 0;
        while (first < m->params.n_items && t->kinds[first] != rows[r].kind)
            first++;
        if (counts[r] > 0)
            text = arena_printf(a, "%s; %d %s (%s%s)", text, counts[r], rows[r].what, m->params.items[first].name,
                                counts[r] > 1 ? ", ..." : "");
    }
    if (t->n_unused > 0)
        text = arena_printf(a, "%s; %d of the file have no place here", text, t->n_unused);
    return text;
}
