/* Random hue, saturation and brightness, as OpenCV's 8-bit HSV and three lookup tables do it, in integers. */
#ifndef IMAGE_HSV_H
#define IMAGE_HSV_H

#include <stdint.h>

struct hsv {
    uint8_t hue[180], saturation[256], value[256];
    int per_value[256], per_range[256]; /* division by table, see hsv.c */
};

/* Gains near 1. Hue wraps at 180; the others are cut at 255; fractions are dropped. */
void hsv_init(struct hsv *t, double gain_h, double gain_s, double gain_v);
/* n RGB pixels in place. */
void hsv_apply(const struct hsv *t, uint8_t *px, int n);

#endif
