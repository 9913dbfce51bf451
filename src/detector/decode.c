/* Images into the net's input, and raw outputs into boxes. */
#include "detector/detector.h"

#include <math.h>

struct load_job {
    struct detector *d;
    const uint8_t *const *images;
};

static void load_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct load_job *j = ctx;
    const struct tensor *t = &j->d->net.tensors[j->d->image];
    const uint8_t *px = j->images[image];
    size_t plane = tensor_plane_size(t);
    real *r = tensor_image(t, image), *g = r + plane, *b = g + plane;
    for (size_t i = 0; i < plane; i++) {
        r[i] = (real)px[3 * i] / 255;
        g[i] = (real)px[3 * i + 1] / 255;
        b[i] = (real)px[3 * i + 2] / 255;
    }
}

void detector_load(struct detector *d, const uint8_t *const *images, int n)
{
    if (n > d->net.batch)
        BUG("%d images in a batch of %d", n, d->net.batch);
    pool_run(d->net.pool, n, load_item, &(struct load_job){d, images});
}

struct anchor detector_anchor(const struct detector *d, int index)
{
    for (int l = 0; l < SPEC_LEVELS; l++) {
        int h = d->h / d->spec->level_strides[l], w = d->w / d->spec->level_strides[l];
        if (index < h * w)
            return (struct anchor){.level = l,
                                   .cell = index,
                                   .x = (real)(index % w) + (real)0.5,
                                   .y = (real)(index / w) + (real)0.5,
                                   .stride = d->spec->level_strides[l]};
        index -= h * w;
    }
    BUG("anchor beyond the last");
}

void detector_distances(const struct detector *d, int image, const struct anchor *at, real out[4], real *prob)
{
    const struct tensor *t = &d->net.tensors[d->box[at->level]];
    size_t plane = tensor_plane_size(t);
    const real *logit = tensor_image(t, image) + at->cell;
    for (int side = 0; side < 4; side++, logit += SPEC_REG_MAX * plane) {
        real top = logit[0], e[SPEC_REG_MAX], total = 0, mean = 0;
        for (int i = 1; i < SPEC_REG_MAX; i++)
            top = logit[(size_t)i * plane] > top ? logit[(size_t)i * plane] : top;
        for (int i = 0; i < SPEC_REG_MAX; i++) {
            e[i] = (real)exp((double)(logit[(size_t)i * plane] - top));
            total += e[i];
        }
        for (int i = 0; i < SPEC_REG_MAX; i++) {
            e[i] /= total;
            mean += (real)i * e[i];
            if (prob)
                prob[side * SPEC_REG_MAX + i] = e[i];
        }
        out[side] = mean;
    }
}

void detector_decode(const struct detector *d, int image, struct box *boxes, float *scores)
{
    int a = 0;
    for (int level = 0; level < SPEC_LEVELS; level++) {
        const struct tensor *t = &d->net.tensors[d->cls[level]];
        size_t plane = tensor_plane_size(t);
        for (int c = 0; c < d->spec->n_classes; c++) {
            const real *logit = tensor_image(t, image) + (size_t)c * plane;
            float *out = scores + (size_t)c * (size_t)d->n_anchors + a;
#ifdef REAL_IS_DOUBLE
            for (size_t i = 0; i < plane; i++)
                out[i] = (float)(1 / (1 + exp(-logit[i])));
#else
            d->net.kernels->sigmoid(logit, out, plane);
#endif
        }
        for (size_t i = 0; i < plane; i++, a++) {
            struct anchor at = detector_anchor(d, a);
            real s[4], px = (real)at.stride;
            detector_distances(d, image, &at, s, NULL);
            boxes[a] = (struct box){(float)((at.x - s[0]) * px), (float)((at.y - s[1]) * px),
                                    (float)((at.x + s[2]) * px), (float)((at.y + s[3]) * px)};
        }
    }
}
