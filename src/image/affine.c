#include "image/affine.h"

/* A scale of 1 in the options may draw a gain of 0; below this an image would be a dot. */
#define LEAST_SCALE 0.05
/* Shear in both directions can flatten the picture to a line; then the second one is left out. */
#define LEAST_DETERMINANT 0.05

#define PI 3.14159265358979323846

void affine_sincos(double degrees, double *sine, double *cosine)
{
    /* To [-45, 45] degrees by whole quarter turns, then Taylor series: at pi/4 the first term left out is < 1e-12. */
    int quarters = 0;
    while (degrees > 45) {
        degrees -= 90;
        quarters++;
    }
    while (degrees < -45) {
        degrees += 90;
        quarters--;
    }
    double x = degrees * (PI / 180), q = x * x;
    double s = x * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * (1 - q / 156))))));
    double c = 1 - q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90 * (1 - q / 132)))));
    const double turned[4][2] = {{s, c}, {c, -s}, {-s, -c}, {-c, s}};
    *sine = turned[quarters & 3][0];
    *cosine = turned[quarters & 3][1];
}

static double tangent(double degrees)
{
    double s, c;
    affine_sincos(degrees, &s, &c);
    return s / (c > 1e-3 ? c : 1e-3); /* options keep shear well below 90 degrees */
}

struct affine affine_draw(const struct augment_options *o, int n_canvas, int s, struct rng *rng)
{
    double angle = rng_range(rng, -o->degrees, o->degrees);
    double scale = rng_range(rng, 1 - o->scale, 1 + o->scale);
    double shear_x = tangent(rng_range(rng, -o->shear, o->shear));
    double shear_y = tangent(rng_range(rng, -o->shear, o->shear));
    double shift_x = rng_range(rng, 0.5f - o->translate, 0.5f + o->translate) * (double)s;
    double shift_y = rng_range(rng, 0.5f - o->translate, 0.5f + o->translate) * (double)s;
    if (scale < LEAST_SCALE)
        scale = LEAST_SCALE;
    if (1 - shear_x * shear_y < LEAST_DETERMINANT)
        shear_y = 0;

    double sine, cosine;
    affine_sincos(angle, &sine, &cosine);
    double a = scale * cosine, b = scale * sine; /* OpenCV's getRotationMatrix2D: (a b; -b a) */
    struct affine t = {.scale = scale, .centre = {n_canvas / 2.0, n_canvas / 2.0}, .shift = {shift_x, shift_y}};
    t.m[0][0] = a - shear_x * b;
    t.m[0][1] = b + shear_x * a;
    t.m[1][0] = shear_y * a - b;
    t.m[1][1] = shear_y * b + a;
    double det = t.m[0][0] * t.m[1][1] - t.m[0][1] * t.m[1][0];
    t.inverse[0][0] = t.m[1][1] / det;
    t.inverse[0][1] = -t.m[0][1] / det;
    t.inverse[1][0] = -t.m[1][0] / det;
    t.inverse[1][1] = t.m[0][0] / det;
    return t;
}
