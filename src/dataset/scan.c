#include <stdlib.h>
#include <string.h>

#include "dataset/draft.h"
#include "image/image.h"

static int compare_defects(const void *a, const void *b)
{
    const struct defect *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    if (order == 0 && x->line != y->line)
        order = x->line < y->line ? -1 : 1;
    return order ? order : strcmp(x->what, y->what);
}

void defects_sort(struct defect *defects, int n)
{
    if (n > 1)
        qsort(defects, (size_t)n, sizeof *defects, compare_defects);
}

/* What has no place in a dataset whatever its format. */
static void report_strangers(struct draft *d)
{
    for (size_t i = 0; i < d->n_entries; i++) {
        const struct fs_entry *f = &d->entries[i];
        if (f->kind == FS_LINK)
            draft_error(d, f->path, 0,
                        "is a symbolic link: put the file itself there, links inside a dataset have no checksum");
        else if (f->kind == FS_OTHER)
            draft_error(d, f->path, 0, "is not a regular file: remove it");
        else if (strpbrk(f->path, "\n\r\\"))
            draft_error(d, f->path, 0, "a newline or backslash in a file name cannot be in a manifest: rename it");
        else if (f->kind == FS_FILE && is_dvc_stub(d->entries, d->n_entries, f->path))
            draft_error(d, f->path, 0, "stands in place of data that is not here: run `dvc pull` first");
    }
}

bool dataset_scan(const struct dataset_options *o, struct pool *pool, struct arena *a, struct dataset *out,
                  struct error *e)
{
    struct draft d = {.folder = o->folder, .format = o->format, .keep = a};
    struct fs_stat st;
    if (!fs_stat(o->folder, true, &st, e))
        return false;
    if (st.kind != FS_DIR)
        return fail(e, ERR_DATA, "dataset folder %s %s: name the folder with the option `dataset`", o->folder,
                    st.kind == FS_ABSENT ? "does not exist" : "is not a folder");
    if (!fs_walk(o->folder, &d.scratch, &d.entries, &d.n_entries, e)) {
        draft_free(&d);
        return false;
    }
    d.image_of_entry = mem_alloc(mem_mul(d.n_entries + 1, sizeof *d.image_of_entry));
    for (size_t i = 0; i < d.n_entries; i++)
        d.image_of_entry[i] = -1;

    report_strangers(&d);
    if (d.format == DATASET_AUTO)
        d.format = format_detect(&d);
    format_read(&d);
    draft_assemble(&d, o, pool, out);
    draft_free(&d);
    return true;
}

struct decoding {
    struct dataset *d;
    char **messages; /* per sample; NULL = fine */
    struct arena *scratch;
};

static void decode_item(void *ctx, int item, int worker)
{
    struct decoding *c = ctx;
    const struct sample *s = &c->d->samples[item];
    struct image im;
    struct str bytes;
    struct error e;
    if (fs_read_file(s->path, IMAGE_MAX_FILE, &c->scratch[worker], &bytes, &e) &&
        image_decode(bytes, s->name, &im, &e)) {
        image_free(&im);
    } else {
        size_t n = strlen(e.message) + 1;
        c->messages[item] = mem_alloc(n);
        memcpy(c->messages[item], e.message, n);
    }
    arena_reset(&c->scratch[worker]);
}

void dataset_decode_all(struct dataset *d, struct pool *pool, struct arena *a)
{
    int n_workers = pool ? pool_size(pool) : 1, n_failed = 0;
    struct decoding c = {d, mem_alloc(mem_mul((size_t)d->n_samples + 1, sizeof(char *))),
                         mem_alloc(mem_mul((size_t)n_workers, sizeof(struct arena)))};
    pool_run(pool, d->n_samples, decode_item, &c);
    for (int i = 0; i < d->n_samples; i++)
        n_failed += c.messages[i] != NULL;
    if (n_failed > 0) {
        struct defect *all = ARENA_NEW(a, struct defect, (size_t)(d->n_defects + n_failed));
        int n = d->n_defects;
        if (n > 0)
            memcpy(all, d->defects, (size_t)n * sizeof *all);
        for (int i = 0; i < d->n_samples; i++) {
            if (c.messages[i])
                all[n++] = (struct defect){true, d->samples[i].name, 0,
                                           arena_strdup(a, defect_text(d->samples[i].name, c.messages[i]))};
        }
        defects_sort(all, n);
        d->defects = all;
        d->n_defects = n;
        d->n_errors += n_failed;
    }
    for (int i = 0; i < d->n_samples; i++)
        mem_free(c.messages[i]);
    for (int w = 0; w < n_workers; w++)
        arena_free(&c.scratch[w]);
    mem_free(c.messages);
    mem_free(c.scratch);
}
