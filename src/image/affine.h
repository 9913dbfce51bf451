/* The random affine map of a training sample, in double from + - * / alone, so that it has the same bits everywhere. */
#ifndef IMAGE_AFFINE_H
#define IMAGE_AFFINE_H

#include "core/rng.h"
#include "image/augment.h"

/* p_out = m * (p - centre) + shift, and the inverse of m. Coordinates are continuous: pixel i covers [i, i+1). */
struct affine {
    double m[2][2], inverse[2][2];
    double centre[2], shift[2];
    double scale;
};

/* Draws angle, scale, shear and shift (always six numbers) for an n_canvas square shown in an s square. */
struct affine affine_draw(const struct augment_options *o, int n_canvas, int s, struct rng *rng);

/* sine and cosine of an angle in degrees, |degrees| <= 3600, to about 1e-12; the same bits on every libm. */
void affine_sincos(double degrees, double *sine, double *cosine);

#endif
