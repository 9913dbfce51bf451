#include "image/canvas.h"

#include <math.h>

#include "image/letterbox.h"

static int max_of(int a, int b)
{
    return a > b ? a : b;
}

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

static struct placed place(const struct image *im, int left, int top, int x1, int y1, int x2, int y2)
{
    return (struct placed){
        im, left, top, max_of(left, x1), max_of(top, y1), min_of(left + im->w, x2), min_of(top + im->h, y2)};
}

struct canvas canvas_of_four(const struct augment_source *sources, int s, int x, int y)
{
    const struct image *a = sources[0].image, *b = sources[1].image, *c = sources[2].image, *d = sources[3].image;
    int n = 2 * s;
    return (struct canvas){n,
                           x,
                           y,
                           {place(a, x - a->w, y - a->h, 0, 0, x, y), place(b, x, y - b->h, x, 0, n, y),
                            place(c, x - c->w, y, 0, y, x, n), place(d, x, y, x, y, n, n)}};
}

struct canvas canvas_of_one(const struct augment_source *source, int s)
{
    const struct image *im = source->image;
    struct placed p = place(im, (s - im->w) / 2, (s - im->h) / 2, 0, 0, s, s);
    return (struct canvas){s, s, s, {p}};
}

static const uint8_t grey[3] = {LETTERBOX_GREY, LETTERBOX_GREY, LETTERBOX_GREY};

static const struct placed *quadrant(const struct canvas *c, int x, int y)
{
    return &c->at[(y >= c->y) * 2 + (x >= c->x)];
}

static const uint8_t *pixel(const struct canvas *c, int x, int y)
{
    if (x < 0 || y < 0 || x >= c->size || y >= c->size)
        return grey;
    const struct placed *p = quadrant(c, x, y);
    if (x < p->x1 || x >= p->x2 || y < p->y1 || y >= p->y2)
        return grey;
    return p->image->px + ((size_t)(y - p->top) * p->image->w + (x - p->left)) * 3;
}

/* Weights of 8 bits: the products sum to 2^16, so 32 bits hold them. */
static void blend(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d, uint32_t fx, uint32_t fy,
                  uint8_t *out)
{
    uint32_t wd = fx * fy, wb = (fx << 8) - wd, wc = (fy << 8) - wd, wa = 65536 - wb - wc - wd;
    for (int k = 0; k < 3; k++)
        out[k] = (uint8_t)((a[k] * wa + b[k] * wb + c[k] * wc + d[k] * wd + 32768) >> 16);
}

/* Canvas coordinates run in 32.32 fixed point: steps are exact and a row has no drift. */
static int64_t fixed(double v)
{
    return (int64_t)floor(v * 4294967296.0 + 0.5);
}

void canvas_row(const struct canvas *c, const struct affine *t, int s, int y, bool flip, uint8_t *out)
{
    /* Pixel centres lie at one half; the canvas pixel i has its centre at i + 1/2 too. */
    double dx = 0.5 - t->shift[0], dy = y + 0.5 - t->shift[1];
    int64_t u = fixed(t->inverse[0][0] * dx + t->inverse[0][1] * dy + t->centre[0] - 0.5);
    int64_t v = fixed(t->inverse[1][0] * dx + t->inverse[1][1] * dy + t->centre[1] - 0.5);
    int64_t du = fixed(t->inverse[0][0]), dv = fixed(t->inverse[1][0]);
    if (flip) {
        u += du * (s - 1);
        v += dv * (s - 1);
        du = -du;
        dv = -dv;
    }
    const struct placed *p = &c->at[0]; /* where the last pixel fell: the next one mostly falls there too */
    for (int x = 0; x < s; x++, u += du, v += dv, out += 3) {
        int cx = (int)(u >> 32), cy = (int)(v >> 32);
        uint32_t fx = (uint32_t)u >> 24, fy = (uint32_t)v >> 24;
        if (cx < p->x1 || cx + 1 >= p->x2 || cy < p->y1 || cy + 1 >= p->y2)
            p = quadrant(c, cx, cy);
        if (cx >= p->x1 && cx + 1 < p->x2 && cy >= p->y1 && cy + 1 < p->y2) {
            size_t stride = (size_t)p->image->w * 3;
            const uint8_t *a = p->image->px + (size_t)(cy - p->top) * stride + (size_t)(cx - p->left) * 3;
            blend(a, a + 3, a + stride, a + stride + 3, fx, fy, out);
        } else {
            blend(pixel(c, cx, cy), pixel(c, cx + 1, cy), pixel(c, cx, cy + 1), pixel(c, cx + 1, cy + 1), fx, fy, out);
        }
    }
}
