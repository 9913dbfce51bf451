/* A module is an object whose state has _parameters, _buffers and _modules; a tensor's name is the path to it. */
#include "export/torch_file.h"

#include <string.h>

#include "core/json.h"
#include "export/torch_tensor.h"

#define MAX_TENSORS ((size_t)100000)
#define MAX_MODULES 100000 /* visits: modules may be shared, and hold themselves */
#define MAX_DEPTH 32
#define MAX_META 2

struct walk {
    struct torch_archive archive;
    struct arena *arena;
    struct tensor_file *out;
    size_t cap, n_modules;
    struct error *error;
};

bool torch_file_is_legacy(struct str bytes)
{
    /* the first of its pickles is the number 0x1950a86a20f9469cfc6c */
    static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    return bytes.n > 2 && bytes.p[0] == (char)0x80 && str_starts(str_slice(bytes, 2, bytes.n), magic);
}

static bool add_tensor(struct walk *w, const char *name, const struct pickle_node *node)
{
    struct tensor_file *f = w->out;
    struct file_tensor t;
    bool is_weight = false;
    if (!torch_tensor_read(&w->archive, node, name, w->arena, &t, &is_weight, w->error))
        return false;
    if (!is_weight)
        return true;
    if (f->n_tensors == MAX_TENSORS)
        return fail(w->error, ERR_DATA, "%s: more than %zu tensors", w->archive.what, MAX_TENSORS);
    MEM_GROW(f->tensors, f->n_tensors, w->cap);
    f->tensors[f->n_tensors++] = t;
    return true;
}

static const char *join(struct walk *w, const char *prefix, struct str name)
{
    return arena_printf(w->arena, "%s" STR_FMT, prefix, STR_ARG(name));
}

/* The tensors of _parameters, _buffers or a state dict. Values of other kinds (versions, counters) are not weights. */
static bool add_dict(struct walk *w, const struct pickle_node *dict, const char *prefix)
{
    for (size_t i = 0; dict && i + 1 < dict->n; i += 2) {
        const struct pickle_node *key = dict->items[i], *value = dict->items[i + 1];
        if (pickle_is(key, PICKLE_TEXT) && pickle_is(value, PICKLE_OBJECT) && !add_tensor(w, join(w, prefix, key->text), value))
            return false;
    }
    return true;
}

static const struct pickle_node *dict_of(const struct pickle_node *n)
{
    return pickle_is(n, PICKLE_DICT) || pickle_is(n, PICKLE_OBJECT) ? n : NULL;
}

static bool add_module(struct walk *w, const struct pickle_node *module, const char *prefix, int depth)
{
    if (depth > MAX_DEPTH || ++w->n_modules > MAX_MODULES)
        return fail(w->error, ERR_DATA, "%s: its modules are nested too deep, or too many", w->archive.what);
    if (!add_dict(w, dict_of(pickle_attribute(module, "_parameters")), prefix) ||
        !add_dict(w, dict_of(pickle_attribute(module, "_buffers")), prefix))
        return false;
    const struct pickle_node *children = dict_of(pickle_attribute(module, "_modules"));
    for (size_t i = 0; children && i + 1 < children->n; i += 2) {
        const struct pickle_node *key = children->items[i], *child = children->items[i + 1];
        if (pickle_is(key, PICKLE_TEXT) && pickle_is(child, PICKLE_OBJECT) &&
            !add_module(w, child, arena_printf(w->arena, "%s" STR_FMT ".", prefix, STR_ARG(key->text)), depth + 1))
            return false;
    }
    return true;
}

static bool is_module(const struct pickle_node *n)
{
    return dict_of(pickle_attribute(n, "_modules")) != NULL;
}

/* A checkpoint's weights: the EMA is what was validated; a finished run's file has only `model`. */
static const struct pickle_node *weights_of(const struct pickle_node *root)
{
    static const char *const keys[] = {"ema", "model", "state_dict", "model_state_dict"};
    for (size_t i = 0; !is_module(root) && i < sizeof keys / sizeof *keys; i++)
        if (dict_of(pickle_get(root, keys[i])))
            return pickle_get(root, keys[i]);
    return root;
}

/* ---- what the checkpoint tells besides weights ---- */

static void set_meta(struct walk *w, const char *key, const char *value)
{
    if (!w->out->meta)
        w->out->meta = ARENA_NEW(w->arena, struct file_meta, MAX_META);
    w->out->meta[w->out->n_meta++] = (struct file_meta){key, value};
}

/* Class names are a dictionary from 0 up, or a list. Anything else counts as none. */
static const struct pickle_node *name_at(const struct pickle_node *names, size_t i)
{
    if (pickle_is(names, PICKLE_LIST) || pickle_is(names, PICKLE_TUPLE))
        return pickle_at(names, i);
    for (size_t k = 0; k + 1 < names->n; k += 2)
        if (pickle_is(names->items[k], PICKLE_INT) && names->items[k]->integer == (int64_t)i)
            return names->items[k + 1];
    return NULL;
}

static void add_names(struct walk *w, const struct pickle_node *names)
{
    if (!names || (names->kind != PICKLE_LIST && names->kind != PICKLE_TUPLE && names->kind != PICKLE_DICT))
        return;
    size_t n = names->kind == PICKLE_DICT ? names->n / 2 : names->n;
    struct json *list = json_new_array();
    struct str_buf text = STR_BUF(1 << 20);
    bool ok = n > 0 && n <= 10000;
    for (size_t i = 0; ok && i < n; i++) {
        const struct pickle_node *name = name_at(names, i);
        ok = pickle_is(name, PICKLE_TEXT) && str_is_utf8(name->text);
        if (ok)
            json_append(list, json_new_string(str_dup(w->arena, name->text)));
    }
    json_write(list, false, &text);
    if (ok && !text.overflow)
        set_meta(w, "names", str_dup(w->arena, str_buf_view(&text)));
    str_buf_free(&text);
    json_free(list);
}

/* Options are a dictionary or a namespace object. */
static const struct pickle_node *option(const struct pickle_node *options, const char *name)
{
    const struct pickle_node *v = pickle_get(options, name);
    return v ? v : pickle_attribute(options, name);
}

static void add_metadata(struct walk *w, const struct pickle_node *root, const struct pickle_node *model)
{
    const struct pickle_node *names = pickle_attribute(model, "names");
    const struct pickle_node *size = option(pickle_attribute(model, "args"), "imgsz");
    add_names(w, names ? names : pickle_get(root, "names"));
    if (!size)
        size = option(pickle_get(root, "train_args"), "imgsz");
    if (pickle_is(size, PICKLE_INT))
        set_meta(w, "imgsz", arena_printf(w->arena, "%lld", (long long)size->integer));
}

/* ---- the archive ---- */

static bool starts_all(const struct tensor_file *f, const char *prefix)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strncmp(f->tensors[i].name, prefix, strlen(prefix)) != 0)
            return false;
    return f->n_tensors > 0;
}

/* Names get a prefix when the module was wrapped: for several devices, by the compiler, in an object with a `model`. */
static void unwrap_names(struct tensor_file *f)
{
    static const struct {
        const char *prefix;
        size_t n_cut;
    } wraps[] = {{"module.", 7}, {"_orig_mod.", 10}, {"model.model.", 6}};
    for (size_t w = 0; w < sizeof wraps / sizeof *wraps; w++)
        if (starts_all(f, wraps[w].prefix))
            for (size_t i = 0; i < f->n_tensors; i++)
                f->tensors[i].name += wraps[w].n_cut;
}

static struct zip_entry *entry_of(const struct torch_archive *t, const char *name)
{
    struct str_buf path = STR_BUF(70000);
    str_buf_add(&path, t->folder);
    str_buf_adds(&path, name);
    struct zip_entry *entry = zip_find(&t->zip, str_buf_view(&path));
    str_buf_free(&path);
    return entry;
}

/* All entries are in one folder, which is called after the file as it was when it was written. */
static struct zip_entry *find_pickle(struct torch_archive *t)
{
    static const char name[] = "/data.pkl";
    for (size_t i = 0; i < t->zip.n; i++) {
        struct str path = t->zip.entries[i].name;
        if (!str_ends(path, name))
            continue;
        t->folder = str_slice(path, 0, path.n - (sizeof name - 2));
        return &t->zip.entries[i];
    }
    return NULL;
}

static bool open_archive(struct walk *w, struct str bytes, struct pickle_node **root)
{
    struct torch_archive *t = &w->archive;
    t->n_bytes = bytes.n;
    if (!zip_open(bytes, t->what, w->arena, &t->zip, w->error))
        return false;
    struct zip_entry *data = find_pickle(t), *order;
    if (!data)
        return fail(w->error, ERR_DATA, "%s: a zip archive without data.pkl: not a file that torch.save wrote", t->what);
    if (entry_of(t, "constants.pkl"))
        return fail(w->error, ERR_DATA, "%s: a TorchScript program; give the checkpoint that it was exported from", t->what);
    order = entry_of(t, "byteorder");
    if (order && !str_eq(str_trim(order->bytes), STR_LIT("little")))
        return fail(w->error, ERR_DATA, "%s: its numbers are not in little-endian order", t->what);
    return zip_check(data, t->what, w->error) && pickle_parse(data->bytes, t->what, w->arena, root, w->error);
}

bool torch_file_parse(struct str bytes, const char *what, struct arena *a, struct tensor_file *out, struct error *e)
{
    struct walk w = {.archive = {.what = what}, .arena = a, .out = out, .error = e};
    struct pickle_node *root = NULL;
    *out = (struct tensor_file){0};
    if (!open_archive(&w, bytes, &root))
        return false;
    const struct pickle_node *model = weights_of(root);
    bool ok = is_module(model) ? add_module(&w, model, "", 0) : add_dict(&w, dict_of(model), "");

    struct file_tensor *grown = out->tensors;
    out->tensors = ARENA_NEW(a, struct file_tensor, out->n_tensors);
    for (size_t i = 0; i < out->n_tensors; i++)
        out->tensors[i] = grown[i];
    mem_free(grown);
    if (ok && out->n_tensors == 0)
        ok = fail(e, ERR_DATA, "%s: no weights in it: neither a model, a checkpoint with one, nor a state_dict", what);
    if (ok) {
        unwrap_names(out);
        add_metadata(&w, root, model);
    }
    return ok;
}
