#ifndef DATASET_VOC_H
#define DATASET_VOC_H

#include <stdbool.h>

#include "core/xml.h"

/* xmin, ymin, xmax, ymax of a <bndbox> as 0-based edges (x1, y1, x2, y2 in pixels). False: one is missing or no number. */
bool voc_read_corners(const struct xml_node *bndbox, double out[4]);

#endif
