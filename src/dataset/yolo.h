/* One line of a YOLO label file. */
#ifndef DATASET_YOLO_H
#define DATASET_YOLO_H

#include "core/str.h"

struct yolo_line {
    int class_id;
    bool is_polygon;       /* a segmentation; the box is its hull */
    double x1, y1, x2, y2; /* fractions of the image, as written: not clipped */
};

/* "class x y w h" or "class x1 y1 x2 y2 x3 y3 ...", fields parted by blanks. False: why says what is wrong and what
 * to do; why holds n bytes. */
bool yolo_parse_line(struct str line, struct yolo_line *out, char *why, size_t n);

#endif
