/* Training samples: mosaic, affine, colour, flips, as in the YOLO recipe, built by inverse sampling straight from
 * the source images (no intermediate canvas). All arithmetic on pixels is integer; all random numbers come from the
 * caller's counter-based rng, so a sample depends only on (seed, epoch, index). */
#ifndef IMAGE_AUGMENT_H
#define IMAGE_AUGMENT_H

#include "core/rng.h"
#include "image/box.h"
#include "image/image.h"

/* Options under their usual names; see docs/options.md for ranges. */
struct augment_options {
    float mosaic;              /* probability, 0..1 */
    float fliplr, flipud;      /* probability */
    float hsv_h, hsv_s, hsv_v; /* largest relative change */
    float translate;           /* fraction of the input size */
    float scale;               /* gain in [1-scale, 1+scale] */
    float degrees, shear;      /* largest angle, degrees */
};

/* A source: pixels already resized so that the longer side is the net's input size, and its labels. */
struct augment_source {
    const struct image *image;
    const struct label *labels;
    int n_labels;
};

/* Writes an s x s sample from n_sources sources: 4 = mosaic (0 top-left, 1 top-right, 2 bottom-left, 3 bottom-right
 * of a random centre), 1 = letterboxed single image. Then affine, keep-box rule (sides > 2 px, area ratio > 0.1,
 * aspect < 100), HSV, flips.
 * out: s*s*3 bytes RGB interleaved (caller's). labels_out holds max_labels; returns how many were written. */
int augment_sample(const struct augment_options *o, const struct augment_source *sources, int n_sources, int s,
                   struct rng *rng, uint8_t *out, struct label *labels_out, int max_labels);

#endif
