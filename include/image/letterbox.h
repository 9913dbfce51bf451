/* Fitting any photo into the net's input: scale to fit, centre, pad with grey 114. */
#ifndef IMAGE_LETTERBOX_H
#define IMAGE_LETTERBOX_H

#include "image/box.h"
#include "image/image.h"

#define LETTERBOX_GREY 114

struct letterbox {
    float gain_x, gain_y; /* net pixels per image pixel; equal up to rounding */
    int left, top;        /* padding, net pixels */
    int w, h;             /* resized image inside the net's input */
    int image_w, image_h;
    int net_w, net_h;
};

/* gain = min(net/image) (never above 1 when may_enlarge is false); w = round(image_w * gain), ...;
 * left = round((net_w - w)/2 - 0.1), top likewise (reference: YOLO letterbox). */
struct letterbox letterbox_plan(int image_w, int image_h, int net_w, int net_h, bool may_enlarge);
/* The load rule of the reference recipe: the longer side becomes `size`, the other is rounded up. */
void letterbox_load_size(int image_w, int image_h, int size, int *w, int *h);
/* An image of the load rule's size, centred in an input that holds it whole; each axis has its own exact gain. */
struct letterbox letterbox_plan_loaded(int image_w, int image_h, int size, int net_w, int net_h);
/* out becomes net_w x net_h. */
void letterbox_apply(const struct letterbox *l, const struct image *in, struct image *out);
struct box letterbox_to_net(const struct letterbox *l, struct box b);
struct box letterbox_from_net(const struct letterbox *l, struct box b);
struct box letterbox_to_image(const struct letterbox *l, struct box b); /* and clipped to the image */

#endif
