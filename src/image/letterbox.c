#include "image/letterbox.h"

#include <math.h>
#include <string.h>

#include "image/resize.h"

struct letterbox letterbox_plan(int image_w, int image_h, int net_w, int net_h, bool may_enlarge)
{
    /* In double with ties to even, as the reference computes it, so that w and h agree for every size. */
    double gain = fmin((double)net_w / image_w, (double)net_h / image_h);
    if (gain > 1 && !may_enlarge)
        gain = 1;
    struct letterbox l = {(float)gain, 0,     0,    (int)lrint(image_w * gain), (int)lrint(image_h * gain), image_w,
                          image_h,     net_w, net_h};
    l.w = l.w < 1 ? 1 : l.w > net_w ? net_w : l.w;
    l.h = l.h < 1 ? 1 : l.h > net_h ? net_h : l.h;
    l.left = (net_w - l.w) / 2; /* = round((net_w - w)/2 - 0.1): the odd pixel goes right and below */
    l.top = (net_h - l.h) / 2;
    return l;
}

void letterbox_apply(const struct letterbox *l, const struct image *in, struct image *out)
{
    struct image made;
    image_init(&made, l->net_w, l->net_h);
    memset(made.px, LETTERBOX_GREY, (size_t)made.w * made.h * 3);
    resize_into(in, l->w, l->h, made.px + ((size_t)l->top * made.w + l->left) * 3, (size_t)made.w * 3);
    *out = made;
}

struct box letterbox_to_net(const struct letterbox *l, struct box b)
{
    float left = (float)l->left, top = (float)l->top;
    return (struct box){b.x1 * l->gain + left, b.y1 * l->gain + top, b.x2 * l->gain + left, b.y2 * l->gain + top};
}

struct box letterbox_to_image(const struct letterbox *l, struct box b)
{
    float left = (float)l->left, top = (float)l->top;
    struct box in_image = {(b.x1 - left) / l->gain, (b.y1 - top) / l->gain, (b.x2 - left) / l->gain,
                           (b.y2 - top) / l->gain};
    return box_clip(in_image, (float)l->image_w, (float)l->image_h);
}
