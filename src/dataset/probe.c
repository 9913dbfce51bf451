#include <string.h>

#include "core/fs.h"
#include "dataset/draft.h"
#include "image/image.h"

struct probing {
    struct draft *d;
    char **messages;       /* per image; NULL = fine */
    struct arena *scratch; /* per worker */
};

static void probe_item(void *ctx, int item, int worker)
{
    struct probing *p = ctx;
    struct draft_image *im = &p->d->images[item];
    struct arena *scratch = &p->scratch[worker];
    struct str bytes;
    struct error e;
    int w, h;
    const char *path = fs_join(scratch, p->d->folder, im->name);
    if (fs_read_file(path, IMAGE_MAX_FILE, scratch, &bytes, &e) && image_verify(bytes, im->name, &w, &h, &e)) {
        im->w = w;
        im->h = h;
    } else {
        size_t n = strlen(e.message) + 1;
        p->messages[item] = mem_alloc(n);
        memcpy(p->messages[item], e.message, n);
    }
    arena_reset(scratch);
}

void draft_probe(struct draft *d, struct pool *pool)
{
    int n_workers = pool ? pool_size(pool) : 1;
    struct probing p = {d, mem_alloc(mem_mul((size_t)d->n_images + 1, sizeof(char *))),
                        mem_alloc(mem_mul((size_t)n_workers, sizeof(struct arena)))};
    pool_run(pool, d->n_images, probe_item, &p);
    for (int i = 0; i < d->n_images; i++) {
        if (p.messages[i])
            draft_error(d, d->images[i].name, 0, "%s", defect_text(d->images[i].name, p.messages[i]));
        mem_free(p.messages[i]);
    }
    for (int w = 0; w < n_workers; w++)
        arena_free(&p.scratch[w]);
    mem_free(p.messages);
    mem_free(p.scratch);
}
