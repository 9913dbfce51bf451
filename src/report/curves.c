#include "report/curves.h"

#include <math.h>

/* Drawing area in SVG units; the page scales it to its column. */
#define W 560.0
#define H 300.0
#define LEFT 54.0
#define RIGHT 14.0
#define TOP 14.0
#define BOTTOM 46.0
#define MAX_COLUMNS 300 /* more points than pixels help nobody */

struct axes {
    double x_min, x_max, y_max, y_step;
};

static double to_x(const struct axes *a, double epoch)
{
    double span = a->x_max - a->x_min;
    return LEFT + (W - LEFT - RIGHT) * (span > 0 ? (epoch - a->x_min) / span : 0.5);
}

static double to_y(const struct axes *a, double y)
{
    return H - BOTTOM - (H - TOP - BOTTOM) * fmin(y / a->y_max, 1.0);
}

/* A step of 1, 2 or 5 times a power of ten that cuts `span` into at most `parts`. */
static double nice_step(double span, int parts)
{
    double raw = span / parts, power = pow(10, floor(log10(raw)));
    static const double steps[] = {1, 2, 5};
    for (int i = 0; i < 3; i++)
        if (steps[i] * power >= raw * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static struct axes plan_axes(const struct chart *c)
{
    struct axes a = {c->epochs[0], c->epochs[c->n - 1], (double)c->y_max, 0};
    if (!(a.y_max > 0)) {
        for (int k = 0; k < c->n_curves; k++)
            for (int i = 0; i < c->n; i++)
                if (isfinite(c->curves[k].y[i]))
                    a.y_max = fmax(a.y_max, (double)c->curves[k].y[i]);
        if (!(a.y_max > 0))
            a.y_max = 1;
        a.y_step = nice_step(a.y_max, 5);
        a.y_max = ceil(a.y_max / a.y_step - 1e-9) * a.y_step;
    } else {
        a.y_step = nice_step(a.y_max, 5);
    }
    return a;
}

static void add_grid(const struct chart *c, const struct axes *a, struct str_buf *out)
{
    int lines = (int)lround(a->y_max / a->y_step);
    int digits = a->y_step >= 1 ? 0 : (int)ceil(-log10(a->y_step) - 1e-9);
    for (int i = 0; i <= lines; i++) {
        double y = to_y(a, i * a->y_step);
        str_buf_printf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", LEFT, y,
                       W - RIGHT, y);
        str_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>", LEFT - 7, y + 4, digits,
                       i * a->y_step);
    }
    int step = a->x_max > a->x_min ? (int)fmax(1, nice_step(a->x_max - a->x_min, 8)) : 1;
    for (int e = (int)ceil(a->x_min / step) * step; e <= (int)a->x_max; e += step)
        str_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d</text>", to_x(a, e), H - BOTTOM + 19,
                       e);
    str_buf_printf(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">epoch</text>",
                   (LEFT + W - RIGHT) / 2, H - 6);
    double middle = (TOP + H - BOTTOM) / 2;
    str_buf_printf(out,
                   "<text class=\"axis\" x=\"12\" y=\"%.1f\" text-anchor=\"middle\" transform=\"rotate(-90 12 %.1f)\">"
                   "%s</text>",
                   middle, middle, c->y_label);
}

static void add_line(const struct chart *c, const struct axes *a, int k, int stride, struct str_buf *out)
{
    const float *y = c->curves[k].y;
    bool pen_down = false, any = false;
    double last_x = 0, last_y = 0;
    str_buf_printf(out, "<path class=\"line c%d\" d=\"", k);
    for (int i = 0; i < c->n; i++) {
        if (i % stride && i != c->n - 1)
            continue;
        if (!isfinite(y[i])) {
            pen_down = false;
            continue;
        }
        last_x = to_x(a, c->epochs[i]);
        last_y = to_y(a, (double)y[i]);
        str_buf_printf(out, "%s%.1f %.1f", pen_down ? "L" : "M", last_x, last_y);
        pen_down = any = true;
    }
    str_buf_adds(out, "\"/>");
    if (any)
        str_buf_printf(out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", k, last_x, last_y);
}

/* One invisible column per epoch that carries the title; CSS shows it while the mouse is over it. */
static void add_columns(const struct chart *c, const struct axes *a, int stride, struct str_buf *out)
{
    double width = (W - LEFT - RIGHT) / (c->n > 1 ? (double)(c->n - 1) / stride : 1);
    for (int i = 0; i < c->n; i += stride) {
        double x = to_x(a, c->epochs[i]);
        double from = fmax(LEFT, x - width / 2), to = fmin(W - RIGHT, x + width / 2);
        str_buf_printf(out, "<g class=\"col\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", from, TOP,
                       fmax(to - from, 0.5), H - TOP - BOTTOM);
        str_buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x, TOP, x, H - BOTTOM);
        for (int k = 0; k < c->n_curves; k++)
            if (isfinite(c->curves[k].y[i]))
                str_buf_printf(out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>", k, x,
                               to_y(a, (double)c->curves[k].y[i]));
        str_buf_printf(out, "<title>epoch %d", c->epochs[i]);
        for (int k = 0; k < c->n_curves; k++)
            if (isfinite(c->curves[k].y[i]))
                str_buf_printf(out, "\n%s %.4g", c->curves[k].name, (double)c->curves[k].y[i]);
        str_buf_adds(out, "</title></g>");
    }
}

void curves_svg(const struct chart *c, struct str_buf *out)
{
    if (c->n < 1)
        return;
    struct axes a = plan_axes(c);
    int stride = (c->n + MAX_COLUMNS - 1) / MAX_COLUMNS;
    str_buf_printf(out, "<figure class=\"card chart\"><figcaption><b>%s</b><span class=\"legend\">", c->title);
    for (int k = 0; k < c->n_curves; k++)
        str_buf_printf(out, "<span><i class=\"key c%d\"></i>%s</span>", k, c->curves[k].name);
    str_buf_printf(out,
                   "</span></figcaption><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                   "aria-label=\"%s over epochs %d to %d\">",
                   W, H, c->title, c->epochs[0], c->epochs[c->n - 1]);
    add_grid(c, &a, out);
    for (int k = 0; k < c->n_curves; k++)
        add_line(c, &a, k, stride, out);
    if (c->marked_epoch >= (int)a.x_min && c->marked_epoch <= (int)a.x_max && c->marked_epoch > 0) {
        double x = to_x(&a, c->marked_epoch);
        bool is_right = x > (LEFT + W - RIGHT) / 2;
        str_buf_printf(out, "<line class=\"mark\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x, TOP, x,
                       H - BOTTOM);
        str_buf_printf(out, "<text class=\"on\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">best: epoch %d</text>",
                       x + (is_right ? -5 : 5), H - BOTTOM - 6, is_right ? "end" : "start", c->marked_epoch);
    }
    add_columns(c, &a, stride, out);
    str_buf_adds(out, "</svg></figure>\n");
}
