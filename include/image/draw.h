/* Boxes with their names drawn on a photo, for `predict --annotate` and the report. */
#ifndef IMAGE_DRAW_H
#define IMAGE_DRAW_H

#include "image/box.h"
#include "image/image.h"

/* A distinct colour per class; outline 2 px (more on large images); "name 0.87" on a filled label that stays inside
 * the image. Text is ASCII; other bytes are drawn as '?'. */
void draw_detections(struct image *im, const struct detection *d, int n, const char *const *class_names, int n_classes);

#endif
