#include "export/onnx_graph.h"

enum { TYPE_FLOAT = 1, TYPE_INT64 = 7 };                   /* TensorProto.DataType */
enum { ATTR_INT = 2, ATTR_STRING = 3, ATTR_INTS = 7 };     /* AttributeProto.AttributeType */

/* Fields of the messages that are written here. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALISER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEM = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

const char *graph_add(struct graph *g, struct graph_node node)
{
    struct str_buf b = PB_MESSAGE;
    for (int i = 0; i < GRAPH_MAX_INPUTS && node.in[i]; i++)
        pb_text(&b, NODE_INPUT, node.in[i]);
    const char *first = node.out ? node.out : arena_printf(g->arena, "%s_output_0", node.name);
    pb_text(&b, NODE_OUTPUT, first);
    for (int i = 1; i < node.n_out; i++)
        pb_text(&b, NODE_OUTPUT, arena_printf(g->arena, "%s_output_%d", node.name, i));
    pb_text(&b, NODE_NAME, node.name);
    pb_text(&b, NODE_OP, node.op);
    str_buf_add(&b, str_buf_view(&node.attributes));
    str_buf_free(&node.attributes);
    pb_message(&g->nodes, GRAPH_NODE, &b);
    return first;
}

void graph_attr_int(struct str_buf *attributes, const char *name, int64_t value)
{
    struct str_buf b = PB_MESSAGE;
    pb_text(&b, ATTRIBUTE_NAME, name);
    pb_int(&b, ATTRIBUTE_I, value);
    pb_int(&b, ATTRIBUTE_TYPE, ATTR_INT);
    attributes->ceiling = PB_MAX_BYTES;
    pb_message(attributes, NODE_ATTRIBUTE, &b);
}

void graph_attr_ints(struct str_buf *attributes, const char *name, int n, const int64_t *values)
{
    struct str_buf b = PB_MESSAGE;
    pb_text(&b, ATTRIBUTE_NAME, name);
    for (int i = 0; i < n; i++)
        pb_int(&b, ATTRIBUTE_INTS, values[i]);
    pb_int(&b, ATTRIBUTE_TYPE, ATTR_INTS);
    attributes->ceiling = PB_MAX_BYTES;
    pb_message(attributes, NODE_ATTRIBUTE, &b);
}

void graph_attr_text(struct str_buf *attributes, const char *name, const char *text)
{
    struct str_buf b = PB_MESSAGE;
    pb_text(&b, ATTRIBUTE_NAME, name);
    pb_text(&b, ATTRIBUTE_S, text);
    pb_int(&b, ATTRIBUTE_TYPE, ATTR_STRING);
    attributes->ceiling = PB_MAX_BYTES;
    pb_message(attributes, NODE_ATTRIBUTE, &b);
}

/* Weights are most of the file: they are appended in place instead of through a message of their own. */
static void add_tensor(struct graph *g, const char *name, int type, int n_dims, const int64_t *dims, const void *data, size_t size)
{
    struct str_buf head = PB_MESSAGE;
    for (int d = 0; d < n_dims; d++)
        pb_int(&head, TENSOR_DIMS, dims[d]);
    pb_int(&head, TENSOR_TYPE, type);
    pb_text(&head, TENSOR_NAME, name);
    pb_begin_bytes(&head, TENSOR_RAW, size);
    pb_begin_bytes(&g->initialisers, GRAPH_INITIALISER, head.n + size);
    str_buf_add(&g->initialisers, str_buf_view(&head));
    str_buf_addn(&g->initialisers, data, size);
    str_buf_free(&head);
}

const char *graph_floats(struct graph *g, const char *name, int n_dims, const int64_t *dims, const float *data)
{
    size_t n = 1;
    for (int d = 0; d < n_dims; d++)
        n = mem_mul(n, (size_t)dims[d]);
    add_tensor(g, name, TYPE_FLOAT, n_dims, dims, data, mem_mul(n, sizeof *data));
    return name;
}

const char *graph_ints(struct graph *g, const char *name, int n, const int64_t *data)
{
    int64_t length = n;
    add_tensor(g, name, TYPE_INT64, 1, &length, data, (size_t)n * sizeof *data);
    return name;
}

static void add_value(struct str_buf *graph, int field, const struct graph_value *v)
{
    struct str_buf shape = PB_MESSAGE, tensor = PB_MESSAGE, type = PB_MESSAGE, value = PB_MESSAGE;
    for (int d = 0; d < v->n_dims; d++) {
        struct str_buf dim = PB_MESSAGE;
        if (d == 0 && v->dims[d] == GRAPH_ANY_BATCH)
            pb_text(&dim, DIM_PARAM, "batch");
        else
            pb_int(&dim, DIM_VALUE, v->dims[d]);
        pb_message(&shape, SHAPE_DIM, &dim);
    }
    pb_int(&tensor, TENSOR_TYPE_ELEM, TYPE_FLOAT);
    pb_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    pb_message(&type, TYPE_TENSOR, &tensor);
    pb_text(&value, VALUE_NAME, v->name);
    pb_message(&value, VALUE_TYPE, &type);
    pb_message(graph, field, &value);
}

struct str_buf graph_finish(struct graph *g, const char *graph_name, const struct graph_value *in, const struct graph_value *out,
                            struct str_buf *metadata)
{
    struct str_buf name = PB_MESSAGE, values = PB_MESSAGE, opset = PB_MESSAGE, model = PB_MESSAGE;
    pb_text(&name, GRAPH_NAME, graph_name);
    add_value(&values, GRAPH_INPUT, in);
    add_value(&values, GRAPH_OUTPUT, out);
    pb_text(&opset, OPSET_DOMAIN, "");
    pb_int(&opset, OPSET_VERSION, GRAPH_OPSET);

    pb_int(&model, MODEL_IR_VERSION, GRAPH_IR);
    pb_text(&model, MODEL_PRODUCER, "retrain");
    pb_begin_bytes(&model, MODEL_GRAPH, g->nodes.n + name.n + g->initialisers.n + values.n);
    struct str_buf *parts[] = {&g->nodes, &name, &g->initialisers, &values};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        str_buf_add(&model, str_buf_view(parts[i]));
        model.overflow |= parts[i]->overflow;
        str_buf_free(parts[i]);
    }
    pb_message(&model, MODEL_OPSET, &opset);
    str_buf_add(&model, str_buf_view(metadata));
    model.overflow |= metadata->overflow;
    str_buf_free(metadata);
    return model;
}
