#include "train/cache.h"

#include <string.h>

#include "train/rect.h"

struct job {
    struct cache *c;
    struct error *errors; /* [n] */
};

static void plan(struct cache *c)
{
    if (c->kind == CACHE_RECT)
        rect_plan(c->samples, c->n, c->size, RECT_GROUP, c->fits);
    for (int i = 0; c->kind == CACHE_SQUARE && i < c->n; i++)
        c->fits[i] = letterbox_plan(c->samples[i]->w, c->samples[i]->h, c->size, c->size, true);
}

static size_t bytes_of(const struct cache *c, int i)
{
    int w, h;
    if (c->kind == CACHE_FIT) {
        letterbox_load_size(c->samples[i]->w, c->samples[i]->h, c->size, &w, &h);
    } else {
        w = c->fits[i].net_w;
        h = c->fits[i].net_h;
    }
    return (size_t)w * (size_t)h * 3;
}

size_t cache_size(const struct cache *c)
{
    size_t total = 0;
    for (int i = 0; i < c->n; i++)
        total += bytes_of(c, i);
    return total;
}

static bool load(const struct cache *c, int i, struct image *out, struct error *e)
{
    struct image raw = {0};
    if (!image_load(c->samples[i]->path, &raw, e))
        return false;
    if (raw.w != c->samples[i]->w || raw.h != c->samples[i]->h) {
        image_free(&raw);
        return fail(e, ERR_DATA, "%s: changed while it was used", c->samples[i]->name);
    }
    if (c->kind == CACHE_FIT) {
        int w, h;
        letterbox_load_size(raw.w, raw.h, c->size, &w, &h);
        image_resize(&raw, w, h, out);
    } else {
        letterbox_apply(&c->fits[i], &raw, out);
    }
    image_free(&raw);
    return true;
}

static void load_item(void *ctx, int i, int worker)
{
    (void)worker;
    struct job *j = ctx;
    struct image im = {0};
    if (!load(j->c, i, &im, &j->errors[i]))
        return;
    if (i < j->c->n_kept)
        j->c->images[i] = im;
    else
        image_free(&im);
}

void cache_plan(struct cache *c, const struct dataset *d, enum dataset_part part, enum cache_kind kind, int size)
{
    *c = (struct cache){.kind = kind, .size = size};
    c->samples = mem_alloc(mem_mul((size_t)d->n_samples + 1, sizeof *c->samples));
    for (int i = 0; i < d->n_samples; i++)
        if (d->samples[i].part == part)
            c->samples[c->n++] = &d->samples[i];
    c->images = mem_alloc(mem_mul((size_t)c->n + 1, sizeof *c->images));
    c->fits = mem_alloc(mem_mul((size_t)c->n + 1, sizeof *c->fits));
    plan(c);
}

bool cache_open(struct cache *c, const struct dataset *d, enum dataset_part part, enum cache_kind kind, int size,
                size_t max_bytes, struct pool *pool, struct error *e)
{
    cache_plan(c, d, part, kind, size);
    for (size_t used = 0; c->n_kept < c->n; c->n_kept++) {
        used += bytes_of(c, c->n_kept);
        if (used > max_bytes)
            break;
    }

    struct job j = {.c = c};
    j.errors = mem_alloc(mem_mul((size_t)c->n + 1, sizeof *j.errors));
    pool_run(pool, c->n, load_item, &j);
    bool ok = true;
    for (int i = 0; i < c->n && ok; i++)
        if (j.errors[i].code != ERR_NONE) {
            *e = j.errors[i];
            ok = false;
        }
    mem_free(j.errors);
    if (!ok)
        cache_close(c);
    return ok;
}

void cache_close(struct cache *c)
{
    for (int i = 0; i < c->n; i++)
        image_free(&c->images[i]);
    mem_free(c->images);
    mem_free(c->samples);
    mem_free(c->fits);
    *c = (struct cache){0};
}

const struct image *cache_get(const struct cache *c, int i, struct image *scratch, bool *failed)
{
    if (i < c->n_kept)
        return &c->images[i];
    struct error e = {0};
    image_free(scratch);
    if (!load(c, i, scratch, &e)) {
        *failed = true;
        bool is_fitted = c->kind != CACHE_FIT;
        image_init(scratch, is_fitted ? c->fits[i].net_w : c->size, is_fitted ? c->fits[i].net_h : c->size);
        memset(scratch->px, LETTERBOX_GREY, (size_t)scratch->w * (size_t)scratch->h * 3);
    }
    return scratch;
}
