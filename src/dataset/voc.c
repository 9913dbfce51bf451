/* Pascal VOC: an XML file per image; lists in ImageSets/Main may name the parts.
 * Corners are 1-based and inclusive, as the VOC development kit defines them: a box covers [xmin - 1, xmax) pixels.
 * Tools that write 0-based corners are half a pixel off by this; xmin = 0 is accepted and cut at the border. */
#include <stdlib.h>
#include <string.h>

#include "core/xml.h"
#include "dataset/find.h"
#include "dataset/voc.h"

/* A box whose class has no number yet: numbers follow the names' alphabetical order. */
struct named_box {
    const char *image, *class_name;
    struct draft_box box;
};

struct voc {
    struct draft *d;
    struct find_index index;
    struct named_box *boxes;
    int n_boxes, cap_boxes;
    bool *is_listed; /* [n_entries]: images in an image set */
    bool has_sets;
};

bool voc_is_annotation(struct draft *d, const char *name)
{
    if (!path_has_ext(name, ".xml"))
        return false;
    const char *head = draft_head(d, name);
    return strstr(head, "<annotation") != NULL || is_lfs_pointer(str_of(head));
}

/* Annotations/a.xml goes with JPEGImages/a.jpg, annotations/a.xml with images/a.jpg, x.xml with x.jpg. */
static const char *find_image(struct voc *v, const char *file, const char *said)
{
    struct arena *a = &v->d->scratch;
    const char *folder = fs_dir(a, file), *stem = fs_stem(a, file), *up = fs_dir(a, folder), *found;
    const char *const stems[] = {stem, said && *said ? fs_stem(a, said) : stem};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        if ((found = find_in_folder(&v->index, folder, stems[i])) ||
            (found = find_in_folder(&v->index, draft_resolve(v->d, up, "JPEGImages"), stems[i])) ||
            (found = find_in_folder(&v->index, draft_resolve(v->d, up, "images"), stems[i])))
            return found;
    }
    int n;
    if ((found = find_stem(&v->index, stem, &n)))
        return found;
    return said && *said ? find_name(&v->index, fs_base(said), &n) : NULL;
}

bool voc_read_corners(const struct xml_node *bndbox, double out[4])
{
    static const char *const names[4] = {"xmin", "ymin", "xmax", "ymax"};
    for (int k = 0; k < 4; k++) {
        if (!str_to_double(str_of(xml_text(bndbox, names[k], "")), &out[k]) || !(out[k] >= -1e9 && out[k] <= 1e9))
            return false;
    }
    out[0] -= 1;
    out[1] -= 1;
    return true;
}

static void read_object(struct voc *v, const char *file, const char *image, const struct xml_node *object)
{
    const struct xml_node *bndbox = xml_get(object, "bndbox");
    const char *name = xml_text(object, "name", "");
    double c[4];
    if (!*name) {
        draft_error(v->d, file, object->line, "object without a name: write <name>");
        return;
    }
    if (!bndbox || !voc_read_corners(bndbox, c)) {
        draft_error(v->d, file, bndbox ? bndbox->line : object->line,
                    "bndbox is not four numbers: write <xmin>, <ymin>, <xmax>, <ymax> in pixels");
        return;
    }
    MEM_GROW(v->boxes, v->n_boxes, v->cap_boxes);
    v->boxes[v->n_boxes++] = (struct named_box){
        image, arena_strdup(&v->d->scratch, name), {0, true, c[0], c[1], c[2], c[3], file, bndbox->line, "", NULL}};
}

static void read_size(struct draft_image *im, const char *file, const struct xml_node *root)
{
    const struct xml_node *size = xml_get(root, "size");
    int64_t w, h;
    if (size && str_to_int64(str_of(xml_text(size, "width", "")), &w) &&
        str_to_int64(str_of(xml_text(size, "height", "")), &h) && w > 0 && h > 0 && w < 1 << 20 &&
        h < 1 << 20) { /* some tools write 0 */
        im->said_w = (int)w;
        im->said_h = (int)h;
        im->said_by = file;
    }
}

static void read_annotation(struct voc *v, const char *file)
{
    struct draft *d = v->d;
    struct arena xml_arena = {0};
    struct str text;
    struct xml_node *root;
    struct error e;
    if (!draft_read(d, file, LIMIT_LABEL_BYTES, &xml_arena, &text))
        goto done;
    if (!xml_parse(text, file, &xml_arena, &root, &e)) {
        draft_failure(d, file, e.message);
        goto done;
    }
    if (strcmp(root->name, "annotation") != 0)
        goto done; /* some other XML */
    const char *image = find_image(v, file, xml_text(root, "filename", ""));
    if (!image) {
        draft_warning(d, file, 0, "label without image: not used; add the image or remove the file");
        goto done;
    }
    struct draft_image *im = draft_image(d, image);
    if (im->said_by)
        draft_warning(d, file, 0, "a second label file for %s: its boxes are added", image);
    im->said_by = file;
    read_size(im, file, root);
    for (const struct xml_node *o = xml_get(root, "object"); o; o = xml_next(o))
        read_object(v, file, im->name, o);
done:
    arena_free(&xml_arena);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void number_classes(struct voc *v)
{
    if (v->n_boxes == 0)
        return;
    const char **names = mem_alloc(mem_mul((size_t)v->n_boxes, sizeof *names));
    for (int i = 0; i < v->n_boxes; i++)
        names[i] = v->boxes[i].class_name;
    qsort(names, (size_t)v->n_boxes, sizeof *names, compare_names);
    for (int i = 0; i < v->n_boxes; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        if (v->d->n_classes >= LIMIT_CLASSES) {
            draft_error(v->d, v->boxes[i].box.file, 0, "more than %d different class names in the dataset",
                        LIMIT_CLASSES);
            break;
        }
        draft_add_class(v->d, names[i]);
    }
    mem_free(names);
    for (int i = 0; i < v->n_boxes; i++) {
        struct named_box *b = &v->boxes[i];
        const char **at = bsearch(&b->class_name, v->d->classes, (size_t)v->d->n_classes, sizeof *at, compare_names);
        if (!at)
            continue;
        b->box.class_id = (int)(at - v->d->classes);
        draft_add_box(v->d, draft_image(v->d, b->image), b->box);
    }
}

/* One list of stems; a second column (1, -1: the class is in the image) may follow. */
static void read_set(struct voc *v, const char *file, unsigned parts)
{
    struct draft *d = v->d;
    struct str text, line, stem;
    const char *base = draft_resolve(d, fs_dir(&d->scratch, file), "../..");
    if (!base || !draft_read(d, file, LIMIT_LABEL_BYTES, &d->scratch, &text))
        return;
    v->has_sets = true;
    if (parts & 1u << PART_VAL)
        d->split_is_named = true;
    for (unsigned number = 1; str_cut(&text, '\n', &line); number++) {
        line = str_trim(line);
        if (!str_cut(&line, ' ', &stem) || stem.n == 0)
            continue;
        int n;
        const char *said = str_dup(&d->scratch, stem);
        const char *image = find_in_folder(&v->index, draft_resolve(d, base, "JPEGImages"), said);
        if (!image)
            image = find_stem(&v->index, said, &n);
        if (!image) {
            draft_error(d, file, number, "%s has no image: add it or remove the line", said);
            continue;
        }
        draft_image(d, image)->parts |= parts;
        v->is_listed[draft_find(d, image)] = true;
    }
}

/* trainval.txt counts only where train.txt and val.txt do not say more. */
static void read_sets(struct voc *v)
{
    static const struct {
        const char *name;
        unsigned parts;
    } sets[] = {{"train.txt", 1u << PART_TRAIN},
                {"val.txt", 1u << PART_VAL},
                {"test.txt", 1u << PART_TEST},
                {"trainval.txt", 0}};
    bool has_train = false;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        if (sets[s].parts == 0 && has_train)
            continue;
        for (size_t i = 0; i < v->d->n_entries; i++) {
            const char *path = v->d->entries[i].path, *slashed = arena_printf(&v->d->scratch, "/%s", path);
            struct str end = str_of(arena_printf(&v->d->scratch, "/ImageSets/Main/%s", sets[s].name));
            if (v->d->entries[i].kind != FS_FILE || !str_ends(str_of(slashed), end.p))
                continue;
            read_set(v, path, sets[s].parts);
            has_train |= s == 0;
        }
    }
}

/* Images that the sets do not name are no part of the dataset; VOC itself has thousands for other tasks. */
static void drop_unlisted(struct voc *v)
{
    struct draft *d = v->d;
    int n_kept = 0, n_dropped = 0;
    for (int i = 0; i < d->n_images; i++) {
        long at = draft_find(d, d->images[i].name);
        if (v->is_listed[at]) {
            d->images[n_kept] = d->images[i];
            d->image_of_entry[at] = n_kept++;
        } else {
            d->image_of_entry[at] = -1;
            n_dropped++;
        }
    }
    d->n_images = n_kept;
    if (n_dropped)
        draft_warning(d, "ImageSets/Main", 0, "%d images are in no list here: not used", n_dropped);
}

void voc_read(struct draft *d)
{
    struct voc v = {.d = d, .index = find_build(d), .is_listed = ARENA_NEW(&d->scratch, bool, d->n_entries)};
    read_sets(&v);
    if (!v.has_sets)
        draft_take_all_images(d); /* those without a label file are background */
    for (size_t i = 0; i < d->n_entries; i++) {
        if (d->entries[i].kind == FS_FILE && path_has_ext(d->entries[i].path, ".xml"))
            read_annotation(&v, d->entries[i].path);
    }
    if (v.has_sets)
        drop_unlisted(&v);
    int n_kept = 0;
    for (int i = 0; i < v.n_boxes; i++) { /* the boxes of images that were dropped go too */
        if (d->image_of_entry[draft_find(d, v.boxes[i].image)] >= 0)
            v.boxes[n_kept++] = v.boxes[i];
    }
    v.n_boxes = n_kept;
    number_classes(&v);
    mem_free(v.boxes);
}
