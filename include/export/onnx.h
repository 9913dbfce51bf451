/* ONNX export: the layout that every published YOLOv8 ONNX consumer reads. BatchNorm is folded into the convolutions.
 * Input `images` float32 [1,3,S,S] RGB 0..1; output `output0` float32 [1,4+classes,anchors]: cx,cy,w,h in input
 * pixels, then class scores after sigmoid. Opset 13, IR 8, node names as torch writes them
 * ("/model.2/m.0/cv1/conv/Conv"), the OpenCV-safe decode tail (docs/models.md). With dynamic_batch the 1 of both shapes
 * is any number of images; the weights and the nodes are the same. */
#ifndef EXPORT_ONNX_H
#define EXPORT_ONNX_H

#include "core/error.h"
#include "detector/spec.h"
#include "nn/param.h"

struct onnx_options {
    int image_size;
    bool dynamic_batch;
    const char *const *class_names; /* [spec->n_classes] */
    const char *version;            /* metadata retrain.version; "" leaves it out */
    const char *dataset_checksum;   /* metadata retrain.dataset; "" leaves it out */
    const char *date;               /* RFC 3339; "" leaves it out */
};

/* weights: [p->n_total] values laid out by p's table (pass p->ema or p->data). Atomic write. Values that are not finite
 * are refused (ERR_DIVERGED). */
MUST_CHECK bool onnx_write(const char *path, const struct spec *spec, const struct param_set *p, const real *weights,
                           const struct onnx_options *o, struct error *e);

#endif
