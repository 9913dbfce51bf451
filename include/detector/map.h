/* Mean average precision, the way the field's tables are computed.
 *
 * Matching per image and IoU threshold 0.50:0.05:0.95: a detection claims the label of its class that it overlaps most
 * (ties: first label); of the detections that claim one label with IoU >= t the surest is the hit (ties: first
 * detection), the others are misses.
 * AP: detections of all images by score descending (ties: image, then detection index), precision envelope,
 * 101-point interpolation. Two rules for recall that was never reached are computed, because both are published:
 * MAP_RULE_CLASSIC (YOLOv8 up to 8.3: a point (1,0) after the last) and MAP_RULE_STRICT (later: AP beyond the reached
 * recall is 0, as COCO does). What retrain shows is CLASSIC; docs/detector.md gives both.
 *
 *     struct map *m = map_open(n_classes);
 *     map_add_image(m, detections, n, truths, n_truths);   // once per image, boxes in that image's pixels
 *     map_compute(m, MAP_RULE_CLASSIC, arena, &r);
 *     map_close(m); */
#ifndef DETECTOR_MAP_H
#define DETECTOR_MAP_H

#include "core/arena.h"
#include "image/box.h"

enum map_rule { MAP_RULE_CLASSIC, MAP_RULE_STRICT };

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
void map_add_image(struct map *m, const struct detection *d, int n_detections, const struct truth *t, int n_truths);
void map_compute(const struct map *m, enum map_rule rule, struct arena *a, struct metrics *out);
void map_close(struct map *m);

#endif
