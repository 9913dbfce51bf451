/* retrain.yml: options as YAML, unknown keys refused with their line and the nearest known name. */
#include <string.h>

#include "core/fs.h"
#include "core/yaml.h"
#include "config/loader.h"

#define LIMIT_CONFIG_BYTES (1u << 20)

static bool read_augment_map(struct loader *l, const struct yaml_node *map, const char *file, struct error *e)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *key = map->keys[i];
        const char *where = arena_printf(l->in->arena, "%s:%u: augment: %s", file, map->key_lines[i], key);
        const struct augment_key *k = augment_find(str_of(key));
        if (!k) {
            const char *near = augment_nearest(str_of(key));
            return fail(e, ERR_CONFIG, "%s:%u: augment: there is no '%.80s'%s%s%s", file, map->key_lines[i], key,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        const struct yaml_node *v = &map->at[i];
        if (yaml_is_null(v))
            continue;
        if (v->kind != YAML_SCALAR)
            return fail(e, ERR_CONFIG, "%s: needs one number", where);
        if (!augment_set(l->c, k, str_trim(str_of(v->text)), where, e))
            return false;
    }
    return true;
}

static bool read_list(struct loader *l, const struct yaml_node *list, const char *where, const char **out,
                      struct error *e)
{
    const char *joined = "";
    for (size_t i = 0; i < list->n; i++) {
        if (list->at[i].kind != YAML_SCALAR)
            return fail(e, ERR_CONFIG, "%s: needs a list of words", where);
        joined = arena_printf(l->in->arena, "%s%s%s", joined, i ? "," : "", list->at[i].text);
    }
    *out = joined;
    return true;
}

static bool read_file_key(struct loader *l, const char *key, unsigned line, const struct yaml_node *v, const char *file,
                          struct error *e)
{
    struct arena *a = l->in->arena;
    const struct option *o = option_find(str_of(key));
    if (o && o->scope == OPTION_SECRET)
        return fail(e, ERR_CONFIG, "%s:%u: %s: a secret is not for a file in the repository: set the variable RETRAIN_%s, on GitHub "
                    "the input '%s', and take back what was committed here", file, line, o->name, option_env_name(o->name, a),
                    o->name);
    if (!o || o->scope != OPTION_INPUT) {
        const char *near = o ? NULL : option_nearest(str_of(key), OPTION_INPUT);
        return fail(e, ERR_CONFIG, "%s:%u: %s '%.80s'%s%s%s", file, line,
                    o ? "only the command line knows" : "there is no option", key, near ? "; did you mean '" : "",
                    near ? near : "", near ? "'?" : "");
    }
    const char *origin = arena_printf(a, "%s:%u", file, line);
    const char *where = arena_printf(a, "%s: %s", origin, o->name);
    if (yaml_is_null(v))
        return true;
    if (o->type == OPTION_MAP && v->kind == YAML_MAP) {
        l->origins[o - option_table] = origin;
        return read_augment_map(l, v, file, e);
    }
    const char *text = v->text;
    if (o->type == OPTION_LIST && v->kind == YAML_LIST) {
        if (!read_list(l, v, where, &text, e))
            return false;
    } else if (v->kind != YAML_SCALAR) {
        return fail(e, ERR_CONFIG, "%s: needs one value", where);
    }
    return loader_set(l, o, str_of(text), origin, where, e);
}

bool loader_read_file(struct loader *l, const char *name, const char *named_by, struct error *e)
{
    struct arena *a = l->in->arena;
    const char *path = fs_join(a, l->c->workspace, name);
    if (!fs_exists(path)) {
        if (!named_by)
            return true; /* retrain.yml is optional */
        return fail(e, ERR_CONFIG, "%s: there is no file '%s' (looked at %s)", named_by, name, path);
    }
    struct str text;
    struct yaml_node root;
    if (!fs_read_file(path, LIMIT_CONFIG_BYTES, a, &text, e)) {
        e->code = ERR_CONFIG;
        return false;
    }
    if (text.n >= 3 && !memcmp(text.p, "\xef\xbb\xbf", 3))
        text = str_slice(text, 3, text.n);
    if (!yaml_parse(text, name, a, &root, e))
        return false;
    if (root.kind != YAML_MAP)
        return fail(e, ERR_CONFIG, "%s:%u: expected lines of the form `option: value`", name, root.line);
    for (size_t i = 0; i < root.n; i++) {
        if (!read_file_key(l, root.keys[i], root.key_lines[i], &root.at[i], name, e))
            return false;
    }
    return true;
}
