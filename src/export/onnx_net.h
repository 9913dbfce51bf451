/* The detector as an ONNX graph: images -> output0. */
#ifndef EXPORT_ONNX_NET_H
#define EXPORT_ONNX_NET_H

#include "detector/spec.h"
#include "export/onnx_graph.h"
#include "nn/param.h"

/* weights as in onnx_write; batch: 1 or GRAPH_ANY_BATCH. False when a folded weight is not finite. */
bool onnx_net_add(struct graph *g, const struct spec *spec, const struct param_set *p, const real *weights, int image_size,
                  int batch);

#endif
