#include "image/box.h"

static float at_least(float x, float low)
{
    return x > low ? x : low;
}

static float at_most(float x, float high)
{
    return x < high ? x : high;
}

float box_area(struct box b)
{
    return at_least(b.x2 - b.x1, 0) * at_least(b.y2 - b.y1, 0);
}

float box_iou(struct box a, struct box b)
{
    struct box both = {at_least(a.x1, b.x1), at_least(a.y1, b.y1), at_most(a.x2, b.x2), at_most(a.y2, b.y2)};
    float common = box_area(both);
    float all = box_area(a) + box_area(b) - common;
    return all > 0 ? common / all : 0;
}

struct box box_clip(struct box b, float w, float h)
{
    return (struct box){at_most(at_least(b.x1, 0), w), at_most(at_least(b.y1, 0), h), at_most(at_least(b.x2, 0), w),
                        at_most(at_least(b.y2, 0), h)};
}

struct box box_of_label(struct label l, float w, float h)
{
    return (struct box){(l.x - l.w / 2) * w, (l.y - l.h / 2) * h, (l.x + l.w / 2) * w, (l.y + l.h / 2) * h};
}

struct label label_of_box(int class_id, struct box b, float w, float h)
{
    return (struct label){class_id, (b.x1 + b.x2) / 2 / w, (b.y1 + b.y2) / 2 / h, (b.x2 - b.x1) / w, (b.y2 - b.y1) / h};
}
