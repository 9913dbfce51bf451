/* Where annotated copies go: never onto an image that was asked about, never two into one file. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "command/pictures.h"
#include "core/fs.h"

static const char *ending_of(const char *path)
{
    bool is_lossless = !strcasecmp(fs_ext(path), ".png") || !strcasecmp(fs_ext(path), ".bmp");
    return is_lossless ? ".png" : ".jpg";
}

static int by_copy(const void *pa, const void *pb)
{
    const struct picture *const *a = pa, *const *b = pb;
    int order = strcmp((*a)->copy, (*b)->copy);
    return order ? order : (*a > *b) - (*a < *b);
}

/* a.bmp and a.png would both be a.png: the later ones are numbered, until no two are alike. */
static void name_copies(struct pictures *p, const char *dir, struct arena *a)
{
    size_t n = (size_t)p->n, cut = strcmp(p->common, "/") ? strlen(p->common) + 1 : 1;
    const struct picture **sorted = ARENA_NEW(a, const struct picture *, n + 1);
    int *number = ARENA_NEW(a, int, n + 1);
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (size_t i = 0; i < n; i++) {
            const char *below = p->all[i].path + cut, *end = ending_of(below);
            int stem = (int)(strlen(below) - strlen(fs_ext(below)));
            const char *name = number[i] ? arena_printf(a, "%.*s-%d%s", stem, below, number[i] + 1, end)
                                         : arena_printf(a, "%.*s%s", stem, below, end);
            p->all[i].copy = fs_join(a, dir, name);
            sorted[i] = &p->all[i];
        }
        qsort(sorted, n, sizeof *sorted, by_copy);
        for (size_t i = 1; i < n; i++)
            if (!strcmp(sorted[i]->copy, sorted[i - 1]->copy)) {
                number[sorted[i] - p->all]++;
                is_changed = true;
            }
    }
}

struct file_id {
    dev_t device;
    ino_t inode;
};

static bool id_of(const char *path, struct file_id *out)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    memset(out, 0, sizeof *out);
    out->device = st.st_dev;
    out->inode = st.st_ino;
    return true;
}

static int by_id(const void *pa, const void *pb)
{
    const struct file_id *a = pa, *b = pb;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return (a->device > b->device) - (a->device < b->device);
}

bool pictures_place_copies(struct pictures *p, const char *dir, bool may_replace, struct arena *a, struct error *e)
{
    name_copies(p, dir, a);
    struct file_id *originals = ARENA_NEW(a, struct file_id, (size_t)p->n + 1), id;
    size_t n_originals = 0;
    for (int i = 0; i < p->n; i++)
        n_originals += id_of(p->all[i].path, &originals[n_originals]);
    qsort(originals, n_originals, sizeof *originals, by_id);
    int n_taken = 0;
    const char *first = NULL;
    for (int i = 0; i < p->n; i++) {
        if (!id_of(p->all[i].copy, &id))
            continue;
        if (bsearch(&id, originals, n_originals, sizeof id, by_id))
            return fail(e, ERR_CONFIG, "annotate: %s is one of the images themselves: name another folder",
                        p->all[i].copy);
        first = first ? first : p->all[i].copy;
        n_taken++;
    }
    if (n_taken && !may_replace)
        return fail(e, ERR_CONFIG, "annotate: %s is there already%s: name another folder, or --force replaces %s", first,
                    n_taken > 1 ? arena_printf(a, " and %d more", n_taken - 1) : "", n_taken > 1 ? "them" : "it");
    return true;
}
