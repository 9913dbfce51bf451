/* The network as data: the YOLOv8 layer table for one scale and class count. Everything that must agree on the
 * architecture (the graph that trains, the parameter names, the ONNX export) walks this one list.
 * Source of the table: published yolov8.yaml, restated with its scaling rule in docs/detector.md. */
#ifndef DETECTOR_SPEC_H
#define DETECTOR_SPEC_H

#include <stdbool.h>

#include "core/error.h"

#define SPEC_LAYERS 23
#define SPEC_LEVELS 3     /* strides 8, 16, 32 */
#define SPEC_REG_MAX 16   /* bins per box side of the distribution focal loss */
#define SPEC_MAX_CLASSES 1000

enum layer_kind { LAYER_CONV, LAYER_C2F, LAYER_SPPF, LAYER_UPSAMPLE, LAYER_CONCAT, LAYER_DETECT };

struct layer {
    enum layer_kind kind;
    int n_from, from[3]; /* absolute layer indices; -1 = the image */
    int c_in, c_out;     /* channels; c_in of CONCAT is the sum */
    int kernel, stride;  /* CONV: 3 and 2; SPPF: kernel 5 */
    int repeats;         /* C2F: number of bottlenecks */
    bool shortcut;       /* C2F: bottlenecks add their input */
    int out_stride;      /* image pixels per output cell: 2..32 */
};

struct spec {
    char scale; /* 'n', 's', 'm' */
    int n_classes;
    struct layer layers[SPEC_LAYERS];
    int level_layers[SPEC_LEVELS];   /* 15, 18, 21 */
    int level_channels[SPEC_LEVELS]; /* of those layers */
    int level_strides[SPEC_LEVELS];  /* 8, 16, 32 */
    int box_channels; /* c2: hidden width of the box branch (cv2) = max(16, ch0/4, 64) */
    int cls_channels; /* c3: hidden width of the class branch (cv3) = max(ch0, min(n_classes, 100)) */
};

/* ERR_CONFIG: unknown scale or class count outside 1..SPEC_MAX_CLASSES. */
MUST_CHECK bool spec_build(char scale, int n_classes, struct spec *out, struct error *e);
/* Anchor points of an input of h x w pixels: the cells of strides 8, 16 and 32. */
int spec_anchors(int h, int w);

#endif
