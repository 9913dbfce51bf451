/* Raw outputs into boxes. */
#include "detector/detector.h"

#include <math.h>

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
    struct view m = tensor_data(t, image);
    for (int side = 0; side < 4; side++) { /* the bins of a side are one channel block: SPEC_REG_MAX = LANES */
        const real *logit = view_at(&m, side, at->cell / t->w, at->cell % t->w);
        real top = logit[0], e[SPEC_REG_MAX], total = 0, mean = 0;
        for (int i = 1; i < SPEC_REG_MAX; i++)
            top = logit[i] > top ? logit[i] : top;
        for (int i = 0; i < SPEC_REG_MAX; i++) {
            e[i] = (real)exp((double)(logit[i] - top));
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
        struct view m = tensor_data(t, image);
        int cells = t->h * t->w;
        for (int b = 0; b < t->blocks; b++)
            for (int cell = 0; cell < cells; cell++) {
                real score[LANES];
                d->net.kernels->sigmoid(view_at(&m, b, cell / t->w, cell % t->w), score, LANES);
                for (int c = b * LANES; c < t->c && c < (b + 1) * LANES; c++)
                    scores[(size_t)c * (size_t)d->n_anchors + (size_t)(a + cell)] = (float)score[c % LANES];
            }
        for (int cell = 0; cell < cells; cell++, a++) {
            struct anchor at = detector_anchor(d, a);
            real s[4], px = (real)at.stride;
            detector_distances(d, image, &at, s, NULL);
            boxes[a] = (struct box){(float)((at.x - s[0]) * px), (float)((at.y - s[1]) * px),
                                    (float)((at.x + s[2]) * px), (float)((at.y + s[3]) * px)};
        }
    }
}
