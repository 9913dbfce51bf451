#include "detector/ciou.h"

#include <math.h>

#define EPS ((real)1e-7)
#define FOUR_OVER_PI2 0.40528473456935108577

static real least(real a, real b)
{
    return a < b ? a : b;
}

static real most(real a, real b)
{
    return a > b ? a : b;
}

/* Everything that value and gradient share. */
struct parts {
    real w1, h1, w2, h2, iw, ih, inter, uni, cw, ch, c2, dx, dy, rho2, angle, v, iou;
};

static struct parts parts_of(const struct ciou_box *a, const struct ciou_box *b)
{
    struct parts p;
    p.w1 = a->x2 - a->x1;
    p.h1 = a->y2 - a->y1 + EPS;
    p.w2 = b->x2 - b->x1;
    p.h2 = b->y2 - b->y1 + EPS;
    p.iw = most(0, least(a->x2, b->x2) - most(a->x1, b->x1));
    p.ih = most(0, least(a->y2, b->y2) - most(a->y1, b->y1));
    p.inter = p.iw * p.ih;
    p.uni = p.w1 * p.h1 + p.w2 * p.h2 - p.inter + EPS;
    p.iou = p.inter / p.uni;
    p.cw = most(a->x2, b->x2) - least(a->x1, b->x1);
    p.ch = most(a->y2, b->y2) - least(a->y1, b->y1);
    p.c2 = p.cw * p.cw + p.ch * p.ch + EPS;
    p.dx = b->x1 + b->x2 - a->x1 - a->x2;
    p.dy = b->y1 + b->y2 - a->y1 - a->y2;
    p.rho2 = (p.dx * p.dx + p.dy * p.dy) / 4;
    p.angle = (real)(atan((double)(p.w2 / p.h2)) - atan((double)(p.w1 / p.h1)));
    p.v = (real)FOUR_OVER_PI2 * p.angle * p.angle;
    return p;
}

real ciou(const struct ciou_box *a, const struct ciou_box *b, real *alpha_out)
{
    struct parts p = parts_of(a, b);
    real alpha = p.v / (p.v - p.iou + 1 + EPS);
    if (alpha_out)
        *alpha_out = alpha;
    return p.iou - (p.rho2 / p.c2 + p.v * alpha);
}

real ciou_grad(const struct ciou_box *a, const struct ciou_box *b, real alpha, real da[4])
{
    struct parts p = parts_of(a, b);
    real meets = p.iw > 0 && p.ih > 0;
    /* Of each corner coordinate: how intersection width/height, own width/height and enclosing sides change. */
    real d_iw[4] = {a->x1 > b->x1 ? -meets : 0, 0, a->x2 < b->x2 ? meets : 0, 0};
    real d_ih[4] = {0, a->y1 > b->y1 ? -meets : 0, 0, a->y2 < b->y2 ? meets : 0};
    real d_w[4] = {-1, 0, 1, 0}, d_h[4] = {0, -1, 0, 1};
    real d_cw[4] = {a->x1 < b->x1 ? -1 : 0, 0, a->x2 > b->x2 ? 1 : 0, 0};
    real d_ch[4] = {0, a->y1 < b->y1 ? -1 : 0, 0, a->y2 > b->y2 ? 1 : 0};
    real d_rho2[4] = {-p.dx / 2, -p.dy / 2, -p.dx / 2, -p.dy / 2};
    real diag = p.w1 * p.w1 + p.h1 * p.h1, dv = -2 * (real)FOUR_OVER_PI2 * p.angle;
    for (int i = 0; i < 4; i++) {
        real d_inter = d_iw[i] * p.ih + p.iw * d_ih[i];
        real d_uni = d_w[i] * p.h1 + p.w1 * d_h[i] - d_inter;
        real d_iou = (d_inter * p.uni - p.inter * d_uni) / (p.uni * p.uni);
        real d_c2 = 2 * (p.cw * d_cw[i] + p.ch * d_ch[i]);
        real d_dist = (d_rho2[i] * p.c2 - p.rho2 * d_c2) / (p.c2 * p.c2);
        real d_v = dv * (p.h1 * d_w[i] - p.w1 * d_h[i]) / diag;
        da[i] = d_iou - (d_dist + alpha * d_v);
    }
    return p.iou - (p.rho2 / p.c2 + p.v * alpha);
}
