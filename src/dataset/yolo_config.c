#include "dataset/yolo_config.h"

#include <stdio.h>
#include <string.h>

bool yolo_config_read(struct draft *d, const char *file, struct yaml_node *root)
{
    struct error e;
    struct str text;
    if (!draft_read(d, file, LIMIT_LABEL_BYTES, &d->scratch, &text))
        return false;
    if (!yaml_parse(text, file, &d->scratch, root, &e)) {
        draft_failure(d, file, e.message);
        return false;
    }
    if (root->kind != YAML_MAP) {
        draft_error(d, file, root->line, "is not a map: write `names:`, `train:` and `val:`");
        return false;
    }
    return true;
}

/* Position of a class in a `names` map whose keys are 0..n-1 in any order; -1 = none. */
static long named_at(const struct yaml_node *names, size_t id)
{
    for (size_t i = 0; i < names->n; i++) {
        uint64_t key;
        /* looked for at its usual place first, so that an ordered map costs nothing */
        size_t at = (id + i) % names->n;
        if (str_to_uint64(str_of(names->keys[at]), &key) && key == id)
            return (long)at;
    }
    return -1;
}

static void read_names(struct draft *d, const char *file, const struct yaml_node *names)
{
    if (names->kind == YAML_SCALAR) {
        draft_error(d, file, names->line, "names is neither a list nor a map: write `names: [cat, dog]`");
        return;
    }
    if (names->n > LIMIT_CLASSES) {
        draft_error(d, file, names->line, "%zu classes: at most %d", names->n, LIMIT_CLASSES);
        return;
    }
    for (size_t id = 0; id < names->n; id++) {
        long at = names->kind == YAML_MAP ? named_at(names, id) : (long)id;
        if (at < 0) {
            draft_error(d, file, names->line,
                        "names has %zu classes but none with the id %zu: number them from 0 without gaps", names->n,
                        id);
            return;
        }
        const struct yaml_node *v = &names->at[at];
        if (v->kind != YAML_SCALAR || !*v->text) {
            draft_error(d, file, v->line, "class %zu has no name: write a word", id);
            return;
        }
        draft_add_class(d, v->text);
    }
}

void yolo_config_classes(struct draft *d, const char *file, const struct yaml_node *root)
{
    const struct yaml_node *names = yaml_get(root, "names"), *nc = yaml_get(root, "nc");
    int64_t n = -1;
    if (nc && (nc->kind != YAML_SCALAR || !str_to_int64(str_of(nc->text), &n) || n < 1 || n > LIMIT_CLASSES)) {
        draft_error(d, file, nc->line, "nc is not a number of classes from 1 to %d", LIMIT_CLASSES);
        n = -1;
    }
    if (names) {
        read_names(d, file, names);
        if (n >= 0 && d->n_classes != n && d->n_classes > 0)
            draft_error(d, file, nc->line, "nc is %d but names has %d: correct one of them", (int)n, d->n_classes);
        return;
    }
    if (!nc)
        draft_warning(d, file, 0, "names no classes: they are called class_0, class_1, ...; write `names: [cat, dog]`");
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "class_%d", i);
        draft_add_class(d, name);
    }
}

static int mark_folder(struct draft *d, const char *folder, unsigned part)
{
    int n = 0;
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind == FS_FILE && path_is_image(path) && path_tail(path, folder)) {
            draft_image(d, path)->parts |= part;
            n++;
        }
    }
    return n;
}

/* A list's line: seen from the list's own folder, from `base` (the yaml's `path`), or from the dataset folder. */
static const char *find_listed(struct draft *d, const char *list, const char *base, const char *line)
{
    const char *const from[] = {fs_dir(&d->scratch, list), base, ""};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        const char *path = draft_resolve(d, from[i], line);
        if (path && draft_has_file(d, path))
            return path;
    }
    return NULL;
}

static void mark_list(struct draft *d, const char *list, const char *base, unsigned part)
{
    struct str text, line;
    if (!draft_read(d, list, LIMIT_LABEL_BYTES, &d->scratch, &text))
        return;
    for (unsigned number = 1; str_cut(&text, '\n', &line); number++) {
        line = str_trim(line);
        if (line.n == 0)
            continue;
        const char *said = str_dup(&d->scratch, line), *path = find_listed(d, list, base, said);
        if (!path)
            draft_error(d, list, number,
                        "%s is not in the dataset folder: correct the path (relative to this list) or remove the line",
                        said);
        else if (!path_is_image(path))
            draft_error(d, list, number, "%s is not an image: remove the line", said);
        else
            draft_image(d, path)->parts |= part;
    }
}

/* Where a part's path leads inside the dataset. Exports of some tools write "../train/images" for "train/images", and
 * `path` often names a folder of the machine that made the file: then the yaml's own folder is meant. */
static const char *find_part(struct draft *d, const char *yaml_folder, const char *base, const char *said)
{
    const char *bare = said;
    while (strncmp(bare, "../", 3) == 0)
        bare += 3;
    const char *const from[][2] = {{base, said}, {yaml_folder, said}, {yaml_folder, bare}, {"", bare}};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        const char *path = from[i][0] ? draft_resolve(d, from[i][0], from[i][1]) : NULL;
        if (path && (!*path || draft_find(d, path) >= 0))
            return path;
    }
    return NULL;
}

static void mark_part(struct draft *d, const char *file, const struct yaml_node *v, const char *base, unsigned part)
{
    if (v->kind == YAML_LIST) {
        for (size_t i = 0; i < v->n; i++) {
            if (v->at[i].kind == YAML_SCALAR)
                mark_part(d, file, &v->at[i], base, part);
            else
                draft_error(d, file, v->at[i].line, "not a folder: write its path");
        }
        return;
    }
    if (v->kind != YAML_SCALAR) {
        draft_error(d, file, v->line, "not a folder: write its path, a list of paths, or a text file of image paths");
        return;
    }
    const char *path = find_part(d, fs_dir(&d->scratch, file), base, v->text);
    if (!path)
        draft_error(d, file, v->line, "%s is not in the dataset folder: correct the path (relative to this file)",
                    v->text);
    else if (*path && draft_has_file(d, path) && path_is_image(path))
        draft_image(d, path)->parts |= part;
    else if (*path && draft_has_file(d, path))
        mark_list(d, path, base ? base : "", part);
    else if (mark_folder(d, path, part) == 0)
        draft_error(d, file, v->line, "%s has no images: correct the path or add images", v->text);
}

bool yolo_config_parts(struct draft *d, const char *file, const struct yaml_node *root)
{
    static const struct {
        const char *key;
        enum dataset_part part;
    } keys[] = {
        {"train", PART_TRAIN}, {"val", PART_VAL}, {"validation", PART_VAL}, {"valid", PART_VAL}, {"test", PART_TEST}};
    const struct yaml_node *path = yaml_get(root, "path");
    const char *base = path && path->kind == YAML_SCALAR && *path->text
                           ? draft_resolve(d, fs_dir(&d->scratch, file), path->text)
                           : fs_dir(&d->scratch, file);
    bool names_any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct yaml_node *v = yaml_get(root, keys[i].key);
        if (yaml_is_null(v))
            continue;
        mark_part(d, file, v, base, 1u << keys[i].part);
        names_any = true;
        if (keys[i].part == PART_VAL)
            d->split_is_named = true;
    }
    return names_any;
}
