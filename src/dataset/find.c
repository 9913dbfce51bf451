#include "dataset/find.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct find_entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : strcmp(x->path, y->path);
}

struct find_index find_build(struct draft *d)
{
    struct find_index f = {ARENA_NEW(&d->scratch, struct find_entry, d->n_entries),
                           ARENA_NEW(&d->scratch, struct find_entry, d->n_entries), 0};
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind != FS_FILE || !path_is_image(path))
            continue;
        f.by_name[f.n] = (struct find_entry){fs_base(path), path};
        f.by_stem[f.n++] = (struct find_entry){fs_stem(&d->scratch, path), path};
    }
    qsort(f.by_name, f.n, sizeof *f.by_name, compare);
    qsort(f.by_stem, f.n, sizeof *f.by_stem, compare);
    return f;
}

/* First entry whose key is not below `key`. */
static size_t lower_bound(const struct find_entry *entries, size_t n, const char *key)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        *(strcmp(entries[mid].key, key) < 0 ? &low : &high) = strcmp(entries[mid].key, key) < 0 ? mid + 1 : mid;
    }
    return low;
}

static const char *only(const struct find_entry *entries, size_t n, const char *key, int *n_found)
{
    size_t from = lower_bound(entries, n, key), to = from;
    while (to < n && strcmp(entries[to].key, key) == 0)
        to++;
    *n_found = (int)(to - from);
    return to - from == 1 ? entries[from].path : NULL;
}

const char *find_name(const struct find_index *f, const char *name, int *n_found)
{
    return only(f->by_name, f->n, name, n_found);
}

const char *find_stem(const struct find_index *f, const char *stem, int *n_found)
{
    return only(f->by_stem, f->n, stem, n_found);
}

const char *find_in_folder(const struct find_index *f, const char *folder, const char *stem)
{
    if (strcmp(folder, ".") == 0)
        folder = "";
    for (size_t i = lower_bound(f->by_stem, f->n, stem); i < f->n && strcmp(f->by_stem[i].key, stem) == 0; i++) {
        const char *tail = path_tail(f->by_stem[i].path, folder);
        if (tail && !strchr(tail, '/'))
            return f->by_stem[i].path;
    }
    return NULL;
}
