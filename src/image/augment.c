#include "image/augment.h"

#include "image/affine.h"
#include "image/canvas.h"
#include "image/hsv.h"

/* A box is kept when enough of it is left to learn from. Reference: the YOLO recipe's box candidates. */
#define LEAST_SIDE 2.0      /* output pixels */
#define LEAST_AREA_LEFT 0.1 /* of the scaled box */
#define MOST_ASPECT 100.0

struct corners {
    double x1, y1, x2, y2;
};

static double clamp(double x, double high)
{
    return x < 0 ? 0 : x > high ? high : x;
}

static struct corners clip(struct corners b, double size)
{
    return (struct corners){clamp(b.x1, size), clamp(b.y1, size), clamp(b.x2, size), clamp(b.y2, size)};
}

/* The axis-aligned hull of the four mapped corners. */
static struct corners map_corners(const struct affine *t, struct corners b)
{
    struct corners out = {1e30, 1e30, -1e30, -1e30};
    for (int i = 0; i < 4; i++) {
        double x = (i & 1 ? b.x2 : b.x1) - t->centre[0], y = (i & 2 ? b.y2 : b.y1) - t->centre[1];
        double mx = t->m[0][0] * x + t->m[0][1] * y + t->shift[0], my = t->m[1][0] * x + t->m[1][1] * y + t->shift[1];
        out.x1 = mx < out.x1 ? mx : out.x1;
        out.y1 = my < out.y1 ? my : out.y1;
        out.x2 = mx > out.x2 ? mx : out.x2;
        out.y2 = my > out.y2 ? my : out.y2;
    }
    return out;
}

/* before: on the canvas; after: on the output, clipped. */
static bool is_kept(struct corners before, struct corners after, double scale)
{
    double w1 = (before.x2 - before.x1) * scale, h1 = (before.y2 - before.y1) * scale;
    double w = after.x2 - after.x1, h = after.y2 - after.y1;
    return w > LEAST_SIDE && h > LEAST_SIDE && w * h / (w1 * h1 + 1e-16) > LEAST_AREA_LEFT && w < MOST_ASPECT * h &&
           h < MOST_ASPECT * w;
}

/* Labels of one placed source, through the map and the flips; appends at n and returns the new n. */
static int map_labels(const struct augment_source *source, const struct placed *p, const struct affine *t, int n_canvas,
                      int s, bool flip_x, bool flip_y, struct label *out, int n, int max)
{
    double w = source->image->w, h = source->image->h;
    for (int i = 0; i < source->n_labels && n < max; i++) {
        struct label l = source->labels[i];
        double x = l.x * w + p->left, y = l.y * h + p->top, half_w = l.w * w / 2, half_h = l.h * h / 2;
        struct corners on_canvas = clip((struct corners){x - half_w, y - half_h, x + half_w, y + half_h}, n_canvas);
        if (!(on_canvas.x2 > on_canvas.x1) || !(on_canvas.y2 > on_canvas.y1))
            continue;
        struct corners b = clip(map_corners(t, on_canvas), s);
        if (!is_kept(on_canvas, b, t->scale))
            continue;
        double cx = (b.x1 + b.x2) / 2 / s, cy = (b.y1 + b.y2) / 2 / s;
        out[n++] = (struct label){l.class_id, (float)(flip_x ? 1 - cx : cx), (float)(flip_y ? 1 - cy : cy),
                                  (float)((b.x2 - b.x1) / s), (float)((b.y2 - b.y1) / s)};
    }
    return n;
}

int augment_sample(const struct augment_options *o, const struct augment_source *sources, int n_sources, int s,
                   struct rng *rng, uint8_t *out, struct label *labels_out, int max_labels)
{
    if (n_sources != 1 && n_sources != 4)
        BUG("a sample of %d sources", n_sources);

    /* Every number is drawn whatever the options are: turning one off must not move the others. */
    int corner_x = s / 2 + (int)rng_below(rng, (uint32_t)s), corner_y = s / 2 + (int)rng_below(rng, (uint32_t)s);
    struct canvas c = n_sources == 4 ? canvas_of_four(sources, s, corner_x, corner_y) : canvas_of_one(sources, s);
    struct affine t = affine_draw(o, c.size, s, rng);
    double gain_h = 1 + (double)rng_range(rng, -1, 1) * o->hsv_h;
    double gain_s = 1 + (double)rng_range(rng, -1, 1) * o->hsv_s;
    double gain_v = 1 + (double)rng_range(rng, -1, 1) * o->hsv_v;
    bool flip_y = rng_unit(rng) < o->flipud, flip_x = rng_unit(rng) < o->fliplr;

    bool has_colour = o->hsv_h > 0 || o->hsv_s > 0 || o->hsv_v > 0;
    struct hsv colour;
    hsv_init(&colour, gain_h, gain_s, gain_v);
    for (int y = 0; y < s; y++) {
        uint8_t *row = out + (size_t)y * s * 3;
        canvas_row(&c, &t, s, flip_y ? s - 1 - y : y, flip_x, row);
        if (has_colour)
            hsv_apply(&colour, row, s);
    }
    int n = 0;
    for (int i = 0; i < n_sources; i++)
        n = map_labels(&sources[i], &c.at[i], &t, c.size, s, flip_x, flip_y, labels_out, n, max_labels);
    return n;
}
