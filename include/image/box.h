/* Boxes. Two forms, never mixed in one variable: struct box is corners in pixels; struct label is what label files
 * say: centre and size as fractions of the image. */
#ifndef IMAGE_BOX_H
#define IMAGE_BOX_H

struct box {
    float x1, y1, x2, y2; /* pixels, x1 <= x2, y1 <= y2 */
};

struct label {
    int class_id;     /* 0..n_classes-1 */
    float x, y, w, h; /* centre and size, fractions of image width and height, 0..1 */
};

struct detection {
    struct box box; /* pixels of the image that was asked about */
    float score;    /* 0..1 */
    int class_id;
};

float box_area(struct box b);
float box_iou(struct box a, struct box b); /* 0 when both are empty */
struct box box_clip(struct box b, float w, float h);
struct box box_of_label(struct label l, float w, float h);
struct label label_of_box(int class_id, struct box b, float w, float h);

#endif
