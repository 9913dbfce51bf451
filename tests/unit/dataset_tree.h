/* Little datasets on disk for the tests of src/dataset, and a table-driven check of what dataset_scan says of them. */
#ifndef TESTS_DATASET_TREE_H
#define TESTS_DATASET_TREE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "core/fs.h"
#include "dataset/dataset.h"
#include "image/image.h"

struct tree_file {
    const char *path; /* NULL ends a list */
    const char *text; /* "@WxH" = a PNG of this size */
};

/* A defect that must be there: place and a part of its text. */
struct wanted_defect {
    char level; /* 'E' or 'W'; 0 ends a list */
    const char *file;
    unsigned line;
    const char *says;
};

struct scan_case {
    const char *name;
    struct tree_file files[16];
    enum dataset_format wanted_format;
    int n_train, n_val, n_test; /* n_train -1: the sum n_val is of train and val, split by hash */
    long n_boxes;
    const char *classes;             /* joined with ',' */
    struct wanted_defect defects[8]; /* exactly these */
};

static char tree_root[64];

static int tree_begin(void **state)
{
    (void)state;
    strcpy(tree_root, "/tmp/retrain-dataset-XXXXXX");
    return mkdtemp(tree_root) ? 0 : -1;
}

static int tree_end(void **state)
{
    (void)state;
    struct error e;
    return fs_remove_tree(tree_root, &e) ? 0 : -1;
}

static void tree_write(const char *path, struct str bytes)
{
    struct arena a = {0};
    struct error e;
    char *full = fs_join(&a, tree_root, path);
    if (!fs_mkdirs(fs_dir(&a, full), &e) || !fs_write_atomic(full, bytes, &e))
        fail_msg("%s", e.message);
    arena_free(&a);
}

static void tree_image(const char *path, int w, int h)
{
    struct arena a = {0};
    struct error e;
    struct image im;
    struct str bytes;
    char *file = arena_printf(&a, "%s.image.png", tree_root);
    image_init(&im, w, h);
    if (!image_save(file, &im, &e) || !fs_read_file(file, 1 << 20, &a, &bytes, &e) || !fs_remove(file, &e))
        fail_msg("%s", e.message);
    tree_write(path, bytes);
    image_free(&im);
    arena_free(&a);
}

static void tree_make(const struct tree_file *files)
{
    struct error e;
    if (!fs_remove_tree(tree_root, &e) || !fs_mkdirs(tree_root, &e))
        fail_msg("%s", e.message);
    for (; files->path; files++) {
        int w, h;
        if (sscanf(files->text, "@%dx%d", &w, &h) == 2)
            tree_image(files->path, w, h);
        else
            tree_write(files->path, str_of(files->text));
    }
}

static void show_defects(const struct dataset *d)
{
    for (int i = 0; i < d->n_defects; i++)
        print_error("  %c %s:%u: %s\n", d->defects[i].is_error ? 'E' : 'W', d->defects[i].file, d->defects[i].line,
                    d->defects[i].what);
}

static bool has_defect(const struct dataset *d, const struct wanted_defect *w)
{
    for (int i = 0; i < d->n_defects; i++) {
        const struct defect *f = &d->defects[i];
        if (f->is_error == (w->level == 'E') && strcmp(f->file, w->file) == 0 && f->line == w->line &&
            strstr(f->what, w->says))
            return true;
    }
    return false;
}

__attribute__((unused)) static void check_scan(const struct scan_case *c, enum dataset_format format)
{
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(c->files);
    if (!dataset_scan(&(struct dataset_options){tree_root, format, 0.5f}, NULL, &a, &d, &e))
        fail_msg("%s: %s", c->name, e.message);
    int n_wanted = 0;
    for (; n_wanted < (int)COUNT(c->defects) && c->defects[n_wanted].level; n_wanted++) {
        if (!has_defect(&d, &c->defects[n_wanted])) {
            show_defects(&d);
            fail_msg("%s: no defect %s:%u with '%s'", c->name, c->defects[n_wanted].file, c->defects[n_wanted].line,
                     c->defects[n_wanted].says);
        }
    }
    struct str_buf classes = STR_BUF(4096);
    for (int i = 0; i < d.n_classes; i++)
        str_buf_printf(&classes, "%s%s", i ? "," : "", d.classes[i]);
    bool is_split_right =
        c->n_train < 0 ? d.n_train + d.n_val == c->n_val : d.n_train == c->n_train && d.n_val == c->n_val;
    if (d.n_defects != n_wanted || d.n_errors + d.n_warnings != n_wanted || d.format != c->wanted_format ||
        !is_split_right || d.n_test != c->n_test || d.n_boxes != c->n_boxes ||
        strcmp(str_buf_text(&classes), c->classes) != 0) {
        show_defects(&d);
        fail_msg("%s: %s, %d train, %d val, %d test, %ld boxes, %d defects (wanted %d), classes %s", c->name,
                 dataset_format_name(d.format), d.n_train, d.n_val, d.n_test, d.n_boxes, d.n_defects, n_wanted,
                 str_buf_text(&classes));
    }
    str_buf_free(&classes);
    arena_free(&a);
}

#endif
