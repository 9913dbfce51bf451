/* An ONNX graph while it is put together: nodes and initialisers as protobuf fields, in writing order.
 * Field numbers: onnx/onnx.proto. Value and node names live in the arena. */
#ifndef EXPORT_ONNX_GRAPH_H
#define EXPORT_ONNX_GRAPH_H

#include <stdint.h>

#include "core/arena.h"
#include "export/protobuf.h"

#define GRAPH_MAX_INPUTS 8
#define GRAPH_OPSET 13 /* Split and Softmax as today; the newest that OpenCV 4.6 (Debian 12, Ubuntu 22.04) was seen to read */
#define GRAPH_IR 8     /* newer ones are refused by older runtimes */

/* As a dimension of the input and the output: any number, named "batch". As a number of Reshape: what the input has. */
#define GRAPH_ANY_BATCH 0

struct graph {
    struct arena *arena;
    struct str_buf nodes, initialisers;
};

struct graph_node {
    const char *op, *name;
    const char *in[GRAPH_MAX_INPUTS]; /* up to the first NULL; "" = left out */
    int n_out;                        /* 0 counts as 1 */
    const char *out;                  /* NULL: "<name>_output_<i>", as torch names values */
    struct str_buf attributes;        /* from graph_attr_*; taken over */
};

/* Returns the name of the first output. */
const char *graph_add(struct graph *g, struct graph_node node);

void graph_attr_int(struct str_buf *attributes, const char *name, int64_t value);
void graph_attr_ints(struct str_buf *attributes, const char *name, int n, const int64_t *values);
void graph_attr_text(struct str_buf *attributes, const char *name, const char *text);

/* Both return `name`; data is copied. */
const char *graph_floats(struct graph *g, const char *name, int n_dims, const int64_t *dims, const float *data);
const char *graph_ints(struct graph *g, const char *name, int n, const int64_t *data);

/* The whole ModelProto around the graph: one float input, one float output, metadata as given (ModelProto fields).
 * Frees the graph's buffers and `metadata`. */
struct graph_value {
    const char *name;
    int n_dims;
    int64_t dims[4];
};
struct str_buf graph_finish(struct graph *g, const char *graph_name, const struct graph_value *in, const struct graph_value *out,
                            struct str_buf *metadata);

#endif
