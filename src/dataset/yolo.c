/* The YOLO layout: an image and a text file of the same name, beside it or with /images/ turned into /labels/. */
#include "dataset/yolo.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dataset/yolo_config.h"

struct yolo {
    struct draft *d;
    const char *config; /* data.yaml or NULL */
    bool *is_used;      /* [n_entries]: text files that an image claimed */
    int n_named;        /* classes that have a name; 0 = count them from the labels */
    int highest;        /* class id seen when nothing names classes */
};

const char *yolo_find_config(struct draft *d)
{
    static const char *const usual[] = {"data.yaml", "data.yml", "dataset.yaml", "dataset.yml"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (draft_has_file(d, usual[i]))
            return usual[i];
    }
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        struct yaml_node root;
        struct str text;
        struct error e;
        if (strchr(path, '/') || d->entries[i].kind != FS_FILE ||
            (!path_has_ext(path, ".yaml") && !path_has_ext(path, ".yml")))
            continue;
        if (fs_read_file(fs_join(&d->scratch, d->folder, path), LIMIT_LABEL_BYTES, &d->scratch, &text, &e) &&
            yaml_parse(text, path, &d->scratch, &root, &e) && (yaml_get(&root, "names") || yaml_get(&root, "nc")))
            return path;
    }
    return NULL;
}

/* A file of class names, one a line, beside labels of tools that write no data.yaml. */
static bool is_class_list(const char *path)
{
    const char *base = fs_base(path);
    return strcmp(base, "classes.txt") == 0 || strcmp(base, "obj.names") == 0 || strcmp(base, "_darknet.labels") == 0;
}

static void read_class_list(struct yolo *y)
{
    struct draft *d = y->d;
    const char *found = NULL;
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind == FS_FILE && is_class_list(path) &&
            (!found || (strchr(found, '/') && !strchr(path, '/'))))
            found = path;
    }
    struct str text, line;
    if (!found || !draft_read(d, found, LIMIT_LABEL_BYTES, &d->scratch, &text))
        return;
    while (str_cut(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n > 0 && d->n_classes < LIMIT_CLASSES)
            draft_add_class(d, str_dup(&d->scratch, line));
    }
}

/* The entry of the image's text file, or -1. */
static long find_label(const struct yolo *y, const char *image)
{
    struct arena *a = &y->d->scratch;
    const char *stem = fs_stem(a, image), *folder = fs_dir(a, image);
    const char *beside =
        strcmp(folder, ".") == 0 ? arena_printf(a, "%s.txt", stem) : arena_printf(a, "%s/%s.txt", folder, stem);
    const char *slashed = arena_printf(a, "/%s", beside), *images = NULL;
    for (const char *p = slashed; (p = strstr(p, "/images/")); p++)
        images = p; /* the last one counts */
    if (images) {
        const char *path =
            arena_printf(a, "%.*s/labels/%s", (int)(images - slashed), slashed, images + strlen("/images/"));
        long at = draft_find(y->d, path + 1);
        if (at >= 0 && y->d->entries[at].kind == FS_FILE)
            return at;
    }
    long at = draft_find(y->d, beside);
    return at >= 0 && y->d->entries[at].kind == FS_FILE ? at : -1;
}

static void read_line(struct yolo *y, const char *image, const char *file, unsigned number, struct str line)
{
    struct draft *d = y->d;
    struct yolo_line l;
    char why[256];
    if (!yolo_parse_line(line, &l, why, sizeof why)) {
        draft_error(d, file, number, "%s", why);
        return;
    }
    if (l.class_id < 0 || l.class_id >= (y->n_named ? y->n_named : LIMIT_CLASSES)) {
        draft_error(d, file, number, "class %d is out of range 0..%d: correct the id or add the name to %s", l.class_id,
                    (y->n_named ? y->n_named : LIMIT_CLASSES) - 1, y->config ? y->config : "classes.txt");
        return;
    }
    if (l.is_polygon)
        draft_warning(d, file, number, "a polygon: its bounding box is used; retrain learns boxes only");
    y->highest = l.class_id > y->highest ? l.class_id : y->highest;
    draft_add_box(d, draft_image(d, image),
                  (struct draft_box){l.class_id, false, l.x1, l.y1, l.x2, l.y2, file, number, "", NULL});
}

static void read_labels(struct yolo *y, const char *image)
{
    struct draft *d = y->d;
    long at = find_label(y, image);
    struct arena text_arena = {0};
    struct str text, line;
    if (at < 0)
        return; /* background */
    y->is_used[at] = true;
    const char *file = d->entries[at].path;
    if (draft_read(d, file, LIMIT_LABEL_BYTES, &text_arena, &text)) {
        for (unsigned number = 1; str_cut(&text, '\n', &line); number++) {
            if (str_trim(line).n > 0)
                read_line(y, image, file, number, line);
        }
    }
    arena_free(&text_arena);
}

/* Text files that are not labels wherever they lie. */
static bool is_other_text(const char *path)
{
    static const char *const words[] = {"readme",       "license",  "licence",   "notice",  "notes",
                                        "requirements", "train",    "val",       "valid",   "validation",
                                        "test",         "trainval", "changelog", "copying", "attribution"};
    const char *base = fs_base(path);
    if (is_class_list(path))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (strncasecmp(base, words[i], n) == 0 && base[n] == '.')
            return true;
    }
    return false;
}

/* Index of the folder that the path lies in; n_entries for the root. */
static size_t folder_of(struct draft *d, const char *path)
{
    long at = strchr(path, '/') ? draft_find(d, fs_dir(&d->scratch, path)) : -1;
    return at < 0 ? d->n_entries : (size_t)at;
}

/* Only where labels are: in a folder named labels, or in one that holds a label which some image claimed. */
static void report_orphans(struct yolo *y)
{
    struct draft *d = y->d;
    bool *holds_labels = ARENA_NEW(&d->scratch, bool, d->n_entries + 1);
    for (size_t i = 0; i < d->n_entries; i++) {
        if (y->is_used[i])
            holds_labels[folder_of(d, d->entries[i].path)] = true;
    }
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind != FS_FILE || y->is_used[i] || !path_has_ext(path, ".txt") || is_other_text(path))
            continue;
        if (holds_labels[folder_of(d, path)] || strstr(path, "/labels/") || strncmp(path, "labels/", 7) == 0)
            draft_warning(d, path, 0, "label without image: not used; add the image or remove the file");
    }
}

static void name_counted_classes(struct yolo *y)
{
    for (int i = 0; i <= y->highest; i++) {
        char name[32];
        snprintf(name, sizeof name, "class_%d", i);
        draft_add_class(y->d, name);
    }
}

void yolo_read(struct draft *d)
{
    struct yolo y = {.d = d, .config = yolo_find_config(d), .highest = -1};
    struct yaml_node root;
    bool has_parts = false;
    y.is_used = ARENA_NEW(&d->scratch, bool, d->n_entries);
    if (y.config && yolo_config_read(d, y.config, &root)) {
        yolo_config_classes(d, y.config, &root);
        has_parts = yolo_config_parts(d, y.config, &root);
    }
    if (d->n_classes == 0)
        read_class_list(&y);
    y.n_named = d->n_classes;

    if (!has_parts)
        draft_take_all_images(d);
    for (int i = 0; i < d->n_images; i++)
        read_labels(&y, d->images[i].name);
    if (has_parts) { /* labels of images that no part names are no orphans */
        for (size_t i = 0; i < d->n_entries; i++) {
            long at = d->entries[i].kind == FS_FILE && path_is_image(d->entries[i].path)
                          ? find_label(&y, d->entries[i].path)
                          : -1;
            if (at >= 0)
                y.is_used[at] = true;
        }
    }
    report_orphans(&y);
    if (y.n_named == 0)
        name_counted_classes(&y);
}
