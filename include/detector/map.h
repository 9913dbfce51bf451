/* Mean average precision, precision and recall, each rule as the program that it is named after computes them. Per image,
 * class and IoU threshold t = 0.50:0.05:0.95, by score descending (ties: detection index), a detection takes a label:
 *
 * MAP_RULE_STRICT (the validator of today's YOLO, ultralytics 8.4): of the labels that are still free the one that it
 *     overlaps most (ties: the first), if IoU >= t. Boxes count as the network gives them, also beyond the image's edge.
 *     Beyond the recall that was reached precision is 0.
 * MAP_RULE_CLASSIC (the validator of ultralytics 8.3): the one that it overlaps most (ties: the last), if IoU >= t and it
 *     is free; else the detection is a miss. Boxes are clipped to the image. From the recall that was reached precision
 *     falls linearly to (1,0).
 * MAP_RULE_COCO (COCO's tool): matched like STRICT (ties: the last), boxes clipped.
 *
 * All: detections of all images by score (ties: image, then index), precision envelope, 101 recalls. STRICT and CLASSIC
 * read it by linear interpolation from (0,1) on and sum trapezoids; COCO takes the mean of the first precisions at or
 * beyond each recall. What retrain shows is STRICT; the others are recorded beside it. docs/detector.md compares.
 *
 *     struct map *m = map_open(n_classes);
 *     map_add_image(m, w, h, detections, n, truths, n_truths);   // once per image, boxes in its pixels, not clipped
 *     map_compute(m, MAP_RULE_STRICT, arena, &r);
 *     map_close(m); */
#ifndef DETECTOR_MAP_H
#define DETECTOR_MAP_H

#include "core/arena.h"
#include "image/box.h"

enum map_rule { MAP_RULE_STRICT, MAP_RULE_CLASSIC, MAP_RULE_COCO, MAP_RULES };

struct truth {
    struct box box;
    int class_id;
};

struct class_metrics {
    double map50, map50_95, precision, recall; /* precision and recall at the confidence of the best mean F1 */
    long n_boxes;                              /* labels of that class in the images added */
};

struct metrics {
    double map50, map50_95; /* mean over the classes that have labels; 0 when none has */
    double precision, recall;
    double confidence;               /* at which precision and recall are given */
    struct class_metrics *per_class; /* [n_classes], in the arena */
    int n_classes, n_images;
};

struct map; /* opaque */
struct map *map_open(int n_classes);
void map_add_image(struct map *m, float w, float h, const struct detection *d, int n_detections, const struct truth *t,
                   int n_truths);
void map_compute(const struct map *m, enum map_rule rule, struct arena *a, struct metrics *out);
void map_close(struct map *m);

#endif
