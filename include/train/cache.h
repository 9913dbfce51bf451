/* The dataset's pixels, decoded once: resized so that the longer side is the net's input for training; for validation
 * laid into the net's input, by the rule of rectangular validation (train/rect.h) or into squares. Kept in memory up to
 * a bound; beyond it images are decoded again at every use. */
#ifndef TRAIN_CACHE_H
#define TRAIN_CACHE_H

#include "core/thread.h"
#include "dataset/dataset.h"
#include "image/image.h"
#include "image/letterbox.h"

enum cache_kind { CACHE_FIT, CACHE_RECT, CACHE_SQUARE };

struct cache {
    const struct sample **samples; /* [n] of one part, in the dataset's order; CACHE_RECT: by aspect ratio */
    struct letterbox *fits;        /* [n] how each lies in its net input; not with CACHE_FIT */
    int n;
    enum cache_kind kind;
    int size;             /* of the longer side of a loaded image: a multiple of 32 */
    struct image *images; /* [n]; px NULL = not kept */
    int n_kept;           /* the first so many */
};

/* Which images there are and how each lies in its input; nothing is decoded, so that the cache cannot be asked for one. */
void cache_plan(struct cache *c, const struct dataset *d, enum dataset_part part, enum cache_kind kind, int size);
size_t cache_size(const struct cache *c); /* bytes of all its images, kept or not */

/* Decodes all images of the part on the pool. ERR_DATA names the first that fails (in the cache's order). max_bytes
 * bounds what is kept. */
MUST_CHECK bool cache_open(struct cache *c, const struct dataset *d, enum dataset_part part, enum cache_kind kind,
                           int size, size_t max_bytes, struct pool *pool, struct error *e);
void cache_close(struct cache *c);

/* Image i: the kept one, or `scratch` freshly decoded into (freed and replaced by the next call with it). A file that
 * vanished or changed since cache_open gives a grey image and sets *failed. Thread safe with separate scratches. */
const struct image *cache_get(const struct cache *c, int i, struct image *scratch, bool *failed);
#endif
