/* A picture that is never stored: up to four source images around a corner point, grey elsewhere, seen through an
 * affine map. Each output pixel asks for the few canvas pixels that it needs. */
#ifndef IMAGE_CANVAS_H
#define IMAGE_CANVAS_H

#include "image/affine.h"
#include "image/augment.h"

/* A source on the canvas: its pixel (0,0) lies at (left, top); [x1,x2) x [y1,y2) of the canvas shows it. */
struct placed {
    const struct image *image;
    int left, top;
    int x1, y1, x2, y2;
};

struct canvas {
    int size; /* it is square */
    int x, y; /* the corner where the four quadrants meet; with one source `size`, so that quadrant 0 is all */
    struct placed at[4]; /* quadrants: 0 top-left, 1 top-right, 2 bottom-left, 3 bottom-right */
};

/* n_sources 4: size 2s, meeting at (x, y). */
struct canvas canvas_of_four(const struct augment_source *sources, int s, int x, int y);
/* n_sources 1: size s, the image in the middle. */
struct canvas canvas_of_one(const struct augment_source *source, int s);

/* One row of the s x s output: bilinear, 8-bit weights, integers only. flip mirrors it. out: s*3 bytes. */
void canvas_row(const struct canvas *c, const struct affine *t, int s, int y, bool flip, uint8_t *out);

#endif
