/* COCO: JSON files with images, annotations and categories. Source: cocodataset.org, "Data format". */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "dataset/find.h"

struct category {
    int64_t id;
    const char *name;
    int class_id;
};

struct listed_image {
    int64_t id;
    const char *name; /* in the dataset; NULL = not found */
};

struct coco {
    struct draft *d;
    struct find_index index;
    struct category *categories; /* sorted by id once all files are read */
    int n_categories, cap_categories;
    bool *is_listed; /* [n_entries] */
};

/* One annotation file while it is read. */
struct coco_file {
    const char *name;
    struct listed_image *images; /* sorted by id */
    int n_images;
    int n_crowd;
};

static int by_id(const void *a, const void *b)
{
    const struct category *x = a, *y = b; /* listed_image starts with its id too */
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_image_id(const void *a, const void *b)
{
    const struct listed_image *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

bool coco_is_annotations(struct draft *d, const char *name)
{
    static const char *const keys[] = {"\"images\"", "\"annotations\"", "\"categories\""};
    if (!path_has_ext(name, ".json"))
        return false;
    const char *head = draft_head(d, name), *p = head;
    if (is_lfs_pointer(str_of(head)))
        return true; /* the reader says what to do */
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && *p == '{'; i++) {
        if (strstr(head, keys[i]))
            return true;
    }
    return false;
}

/* The official set has captions and key points beside instances_*.json: then only those are about boxes. */
static bool is_used(const char *name, bool has_instances)
{
    return !has_instances || strncmp(fs_base(name), "instances_", 10) == 0;
}

static void read_categories(struct coco *c, const char *file, const struct json *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *v = json_at(list, i);
        const char *name = json_string(json_get(v, "name"), NULL);
        int64_t id;
        if (!json_int64(json_get(v, "id"), &id) || !name || !*name) {
            draft_error(c->d, file, 0, "category %zu has no id or no name: write both", i + 1);
            continue;
        }
        bool is_known = false;
        for (int k = 0; k < c->n_categories && !is_known; k++) {
            bool same_id = c->categories[k].id == id, same_name = strcmp(c->categories[k].name, name) == 0;
            if (same_id != same_name)
                draft_error(c->d, file, 0, "category %lld '%s' contradicts category %lld '%s': give each id one name",
                            (long long)id, name, (long long)c->categories[k].id, c->categories[k].name);
            is_known = same_id || same_name;
        }
        if (is_known)
            continue;
        if (c->n_categories >= LIMIT_CLASSES) {
            draft_error(c->d, file, 0, "more than %d categories", LIMIT_CLASSES);
            return;
        }
        MEM_GROW(c->categories, c->n_categories, c->cap_categories);
        c->categories[c->n_categories++] = (struct category){id, arena_strdup(&c->d->scratch, name), -1};
    }
}

/* Beside the JSON file, at the root, in images/ next to the file's folder, with the split's name between, else the
 * only file of that name anywhere. */
static const char *find_image(struct coco *c, const char *file, const char *said, int *n_found)
{
    struct arena *a = &c->d->scratch;
    const char *folder = fs_dir(a, file), *stem = fs_stem(a, file);
    const char *split = strncmp(stem, "instances_", 10) == 0 ? stem + 10 : stem;
    const char *const from[] = {
        folder,
        "",
        arena_printf(a, "%s/images", folder),
        arena_printf(a, "%s/../images", folder),
        arena_printf(a, "%s/../%s", folder, split),
        arena_printf(a, "%s/../images/%s", folder, split),
        arena_printf(a, "%s/images/%s", folder, split),
    };
    *n_found = 1;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        const char *path = draft_resolve(c->d, from[i], said);
        if (path && draft_has_file(c->d, path))
            return path;
    }
    return find_name(&c->index, fs_base(said), n_found);
}

static void read_image(struct coco *c, struct coco_file *f, const struct json *v, size_t number)
{
    struct draft *d = c->d;
    const char *said = json_string(json_get(v, "file_name"), NULL);
    int64_t id, w = 0, h = 0;
    if (!json_int64(json_get(v, "id"), &id) || !said || !*said) {
        draft_error(d, f->name, 0, "image %zu has no id or no file_name: write both", number);
        return;
    }
    int n_found;
    const char *path = find_image(c, f->name, said, &n_found);
    f->images[f->n_images++] = (struct listed_image){id, path};
    if (!path) {
        draft_error(d, f->name, 0,
                    n_found > 1 ? "image %s is there %d times: write its path from this file's folder"
                                : "image %s is not in the dataset folder: add it or remove its entry",
                    said, n_found);
        return;
    }
    struct draft_image *im = draft_image(d, path);
    unsigned parts = path_parts(f->name, true);
    if (c->is_listed[draft_find(d, path)] && (im->parts == 0 || im->parts == parts))
        draft_warning(d, f->name, 0, "image %s is listed twice: its boxes are put together", said);
    c->is_listed[draft_find(d, path)] = true;
    im->parts |= parts;
    if (parts & 1u << PART_VAL)
        d->split_is_named = true;
    if (json_int64(json_get(v, "width"), &w) && json_int64(json_get(v, "height"), &h) && w > 0 && h > 0 &&
        w < 1 << 20 && h < 1 << 20) {
        im->said_w = (int)w;
        im->said_h = (int)h;
        im->said_by = f->name;
    }
}

static bool read_bbox(const struct json *v, double out[4])
{
    const struct json *bbox = json_get(v, "bbox");
    if (json_len(bbox) != 4)
        return false;
    for (size_t k = 0; k < 4; k++) {
        out[k] = json_number(json_at(bbox, k), 1e300);
        if (!(out[k] >= -1e9 && out[k] <= 1e9))
            return false;
    }
    return true;
}

static void read_annotation(struct coco *c, struct coco_file *f, const struct json *v, size_t number)
{
    struct draft *d = c->d;
    int64_t id, image_id, category_id;
    double b[4];
    if (!json_int64(json_get(v, "id"), &id))
        id = (int64_t)number;
    if (json_number(json_get(v, "iscrowd"), 0) != 0) {
        f->n_crowd++;
        return;
    }
    if (!json_int64(json_get(v, "image_id"), &image_id) || !json_int64(json_get(v, "category_id"), &category_id)) {
        draft_error(d, f->name, 0, "annotation %lld has no image_id or category_id: write both", (long long)id);
        return;
    }
    const struct listed_image wanted = {image_id, NULL},
                              *im = f->n_images
                                        ? bsearch(&wanted, f->images, (size_t)f->n_images, sizeof wanted, by_image_id)
                                        : NULL;
    const struct category key = {.id = category_id},
                          *category = c->n_categories
                                          ? bsearch(&key, c->categories, (size_t)c->n_categories, sizeof key, by_id)
                                          : NULL;
    if (!im)
        draft_error(d, f->name, 0,
                    "annotation %lld: image_id %lld is not in `images`: correct it or remove the annotation",
                    (long long)id, (long long)image_id);
    else if (!category || category->class_id < 0)
        draft_error(d, f->name, 0,
                    "annotation %lld: category_id %lld is not in `categories`: correct it or add the category",
                    (long long)id, (long long)category_id);
    else if (!read_bbox(v, b))
        draft_error(d, f->name, 0, "annotation %lld: bbox is not [x, y, width, height] in pixels: correct it",
                    (long long)id);
    else if (im->name)
        draft_add_box(d, draft_image(d, im->name),
                      (struct draft_box){category->class_id, true, b[0], b[1], b[0] + b[2], b[1] + b[3], f->name, 0,
                                         arena_printf(&d->scratch, "annotation %lld: ", (long long)id), NULL});
}

static void read_images(struct coco *c, struct coco_file *f, const struct json *list)
{
    f->images = ARENA_NEW(&c->d->scratch, struct listed_image, json_len(list));
    for (size_t i = 0; i < json_len(list); i++)
        read_image(c, f, json_at(list, i), i + 1);
    if (f->n_images)
        qsort(f->images, (size_t)f->n_images, sizeof *f->images, by_image_id);
    for (int i = 1; i < f->n_images; i++) {
        if (f->images[i].id == f->images[i - 1].id)
            draft_error(c->d, f->name, 0, "two images have the id %lld: number them anew", (long long)f->images[i].id);
    }
}

static struct json *parse(struct coco *c, const char *name)
{
    struct arena text_arena = {0};
    struct str text;
    struct json *root = NULL;
    struct error e;
    if (draft_read(c->d, name, LIMIT_ANNOTATIONS_BYTES, &text_arena, &text) && !json_parse(text, name, &root, &e)) {
        draft_failure(c->d, name, e.message);
        root = NULL;
    }
    arena_free(&text_arena);
    return root;
}

/* Some exports add a parent category that no box has ("none" as its supercategory, named as one by the others). It would
 * be a class that can never be learnt. */
static bool is_only_parent(struct json *const *roots, int n, int64_t id, const char *name)
{
    bool is_parent = false;
    int64_t other;
    for (int r = 0; r < n; r++) {
        const struct json *categories = json_get(roots[r], "categories");
        for (size_t i = 0; i < json_len(categories); i++) {
            const struct json *v = json_at(categories, i);
            const char *super = json_string(json_get(v, "supercategory"), "");
            if (json_int64(json_get(v, "id"), &other) && other == id && strcmp(super, "none") != 0)
                return false;
            is_parent |= strcmp(super, name) == 0;
        }
    }
    for (int r = 0; r < n && is_parent; r++) {
        const struct json *annotations = json_get(roots[r], "annotations");
        for (size_t i = 0; i < json_len(annotations); i++) {
            if (json_int64(json_get(json_at(annotations, i), "category_id"), &other) && other == id)
                return false;
        }
    }
    return is_parent;
}

static void number_classes(struct coco *c, struct json *const *roots, int n, const char *file)
{
    if (c->n_categories)
        qsort(c->categories, (size_t)c->n_categories, sizeof *c->categories, by_id);
    for (int i = 0; i < c->n_categories; i++) {
        struct category *k = &c->categories[i];
        if (is_only_parent(roots, n, k->id, k->name))
            draft_warning(c->d, file, 0, "category '%s' is only the parent of others and has no box: left out",
                          k->name);
        else
            k->class_id = draft_add_class(c->d, k->name);
    }
}

static void read_file(struct coco *c, const char *name, const struct json *root)
{
    struct coco_file f = {.name = name};
    const struct json *annotations = json_get(root, "annotations");
    read_images(c, &f, json_get(root, "images"));
    for (size_t i = 0; i < json_len(annotations); i++)
        read_annotation(c, &f, json_at(annotations, i), i + 1);
    if (f.n_crowd)
        draft_warning(c->d, name, 0, "%d crowd regions (iscrowd) are left out: retrain learns single objects",
                      f.n_crowd);
}

static void report_unlisted(struct coco *c)
{
    for (size_t i = 0; i < c->d->n_entries; i++) {
        const char *path = c->d->entries[i].path;
        if (c->d->entries[i].kind == FS_FILE && path_is_image(path) && !c->is_listed[i])
            draft_warning(c->d, path, 0, "image is in no annotation file: not used; list it or remove it");
    }
}

void coco_read(struct draft *d)
{
    struct coco c = {.d = d, .index = find_build(d)};
    const char **names = ARENA_NEW(&d->scratch, const char *, d->n_entries);
    struct json **roots = ARENA_NEW(&d->scratch, struct json *, d->n_entries);
    int n_names = 0, n = 0;
    bool has_instances = false;
    c.is_listed = ARENA_NEW(&d->scratch, bool, d->n_entries);
    for (size_t i = 0; i < d->n_entries; i++) {
        if (d->entries[i].kind != FS_FILE || !coco_is_annotations(d, d->entries[i].path))
            continue;
        names[n_names++] = d->entries[i].path;
        has_instances |= strncmp(fs_base(d->entries[i].path), "instances_", 10) == 0;
    }
    for (int i = 0; i < n_names; i++) {
        if (!is_used(names[i], has_instances) || !(roots[n] = parse(&c, names[i])))
            continue;
        names[n] = names[i];
        read_categories(&c, names[n], json_get(roots[n], "categories"));
        n++;
    }
    if (n > 0)
        number_classes(&c, roots, n, names[0]);
    else if (d->n_errors == 0)
        draft_error(d, "", 0, "no COCO annotation file found: add a JSON file with images, annotations and categories");
    for (int i = 0; i < n; i++) {
        read_file(&c, names[i], roots[i]);
        json_free(roots[i]);
    }
    report_unlisted(&c);
    mem_free(c.categories);
}
