#include "image/letterbox.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "image/resize.h"

static int clamp(int v, int most)
{
    return v < 1 ? 1 : v > most ? most : v;
}

static void centre(struct letterbox *l, int net_w, int net_h)
{
    l->net_w = net_w;
    l->net_h = net_h;
    l->left = (net_w - l->w) / 2; /* = round((net_w - w)/2 - 0.1): the odd pixel goes right and below */
    l->top = (net_h - l->h) / 2;
}

struct letterbox letterbox_plan(int image_w, int image_h, int net_w, int net_h, bool may_enlarge)
{
    /* In double with ties to even, as the reference computes it, so that w and h agree for every size. */
    double gain = fmin((double)net_w / image_w, (double)net_h / image_h);
    if (gain > 1 && !may_enlarge)
        gain = 1;
    struct letterbox l = {.gain_x = (float)gain, .gain_y = (float)gain, .image_w = image_w, .image_h = image_h};
    l.w = clamp((int)lrint(image_w * gain), net_w);
    l.h = clamp((int)lrint(image_h * gain), net_h);
    centre(&l, net_w, net_h);
    return l;
}

/* In double like the reference, whose product is now and then a hair above a whole number and rounds up to the next. */
void letterbox_load_size(int image_w, int image_h, int size, int *w, int *h)
{
    double gain = (double)size / (image_w > image_h ? image_w : image_h);
    *w = clamp((int)ceil(image_w * gain), size);
    *h = clamp((int)ceil(image_h * gain), size);
}

struct letterbox letterbox_plan_loaded(int image_w, int image_h, int size, int net_w, int net_h)
{
    struct letterbox l = {.image_w = image_w, .image_h = image_h};
    letterbox_load_size(image_w, image_h, size, &l.w, &l.h);
    if (l.w > net_w || l.h > net_h)
        BUG("an image of %d x %d in an input of %d x %d", l.w, l.h, net_w, net_h);
    l.gain_x = (float)((double)l.w / image_w);
    l.gain_y = (float)((double)l.h / image_h);
    centre(&l, net_w, net_h);
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
    return (struct box){b.x1 * l->gain_x + left, b.y1 * l->gain_y + top, b.x2 * l->gain_x + left,
                        b.y2 * l->gain_y + top};
}

struct box letterbox_from_net(const struct letterbox *l, struct box b)
{
    float left = (float)l->left, top = (float)l->top;
    return (struct box){(b.x1 - left) / l->gain_x, (b.y1 - top) / l->gain_y, (b.x2 - left) / l->gain_x,
                           (b.y2 - top) / l->gain_y};
}

struct box letterbox_to_image(const struct letterbox *l, struct box b)
{
    return box_clip(letterbox_from_net(l, b), (float)l->image_w, (float)l->image_h);
}
