/* Walks the layer table as graph.c of the detector does, with BatchNorm folded into the convolutions. Node names are the
 * ones that torch's exporter derives from the module tree: tools for accelerators cut the graph by them. */
#include "export/onnx_net.h"

#include <math.h>

#define BN_EPS 1e-3
#define DETECT (SPEC_LAYERS - 1)

struct walk {
    struct graph *g;
    struct arena *a;
    const struct spec *spec;
    const struct param_set *params;
    const real *weights;
    int image_size, batch;
    const char *out[SPEC_LAYERS]; /* value names */
    bool is_finite;
};

static const struct param *find(const struct walk *w, const char *module, const char *suffix)
{
    const char *name = arena_printf(w->a, "%s.%s", module, suffix);
    const struct param *p = param_find(w->params, name);
    if (!p)
        BUG("the model has no %s", name);
    return p;
}

static const char *add_weights(struct walk *w, const char *name, int n_dims, const int64_t *dims, const float *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w->is_finite = w->is_finite && isfinite(data[i]);
    return graph_floats(w->g, name, n_dims, dims, data);
}

static const char *add_conv(struct walk *w, const char *name, const char *in, const char *weight, const char *bias, int k, int stride)
{
    int64_t kernel[] = {k, k}, strides[] = {stride, stride}, one[] = {1, 1}, pads[] = {k / 2, k / 2, k / 2, k / 2};
    struct graph_node node = {.op = "Conv", .name = name, .in = {in, weight, bias}};
    graph_attr_ints(&node.attributes, "dilations", 2, one);
    graph_attr_int(&node.attributes, "group", 1);
    graph_attr_ints(&node.attributes, "kernel_shape", 2, kernel);
    graph_attr_ints(&node.attributes, "pads", 4, pads);
    graph_attr_ints(&node.attributes, "strides", 2, strides);
    return graph_add(w->g, node);
}

/* w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps), in double. */
static const char *conv_block(struct walk *w, const char *module, const char *scope, const char *in, int stride)
{
    const struct param *p = find(w, module, "conv.weight");
    const real *weight = w->weights + p->offset;
    const real *gamma = w->weights + find(w, module, "bn.weight")->offset, *beta = w->weights + find(w, module, "bn.bias")->offset;
    const real *mean = w->weights + find(w, module, "bn.running_mean")->offset;
    const real *var = w->weights + find(w, module, "bn.running_var")->offset;
    int64_t dims[4] = {p->dims[0], p->dims[1], p->dims[2], p->dims[3]};
    size_t n_out = (size_t)p->dims[0], per_out = p->n / n_out;
    struct arena scratch = {0};
    float *folded = ARENA_NEW(&scratch, float, p->n), *bias = ARENA_NEW(&scratch, float, n_out);
    for (size_t o = 0; o < n_out; o++) {
        double scale = (double)gamma[o] / sqrt((double)var[o] + BN_EPS);
        bias[o] = (float)((double)beta[o] - (double)mean[o] * scale);
        for (size_t i = 0; i < per_out; i++)
            folded[o * per_out + i] = (float)((double)weight[o * per_out + i] * scale);
    }
    const char *weight_name = add_weights(w, p->name, 4, dims, folded, p->n);
    const char *bias_name = add_weights(w, arena_printf(w->a, "%s.conv.bias", module), 1, dims, bias, n_out);
    arena_free(&scratch);

    const char *conv = add_conv(w, arena_printf(w->a, "%s/conv/Conv", scope), in, weight_name, bias_name, p->dims[2], stride);
    /* No SiLU before opset 24: consumers know it as these two nodes, side by side. */
    const char *gate = graph_add(w->g, (struct graph_node){.op = "Sigmoid", .name = arena_printf(w->a, "%s/act/Sigmoid", scope), .in = {conv}});
    return graph_add(w->g, (struct graph_node){.op = "Mul", .name = arena_printf(w->a, "%s/act/Mul", scope), .in = {conv, gate}});
}

static const char *concat(struct walk *w, const char *name, int n, const char *const *in, int axis, const char *out)
{
    struct graph_node node = {.op = "Concat", .name = name, .out = out};
    if (n > GRAPH_MAX_INPUTS)
        BUG("%d inputs of %s", n, name);
    for (int i = 0; i < n; i++)
        node.in[i] = in[i];
    graph_attr_int(&node.attributes, "axis", axis);
    return graph_add(w->g, node);
}

static const char *c2f(struct walk *w, int index, const char *in)
{
    const struct layer *l = &w->spec->layers[index];
    const char *module = arena_printf(w->a, "model.%d", index), *scope = arena_printf(w->a, "/model.%d", index);
    const char *joined[GRAPH_MAX_INPUTS];
    const char *x = conv_block(w, arena_printf(w->a, "%s.cv1", module), arena_printf(w->a, "%s/cv1", scope), in, 1);
    /* Without sizes Split gives equal parts; OpenCV 4.6 misreads sizes that come as an input. */
    struct graph_node split = {.op = "Split", .name = arena_printf(w->a, "%s/Split", scope), .in = {x}, .n_out = 2};
    graph_attr_int(&split.attributes, "axis", 1);
    joined[0] = graph_add(w->g, split);
    joined[1] = arena_printf(w->a, "%s/Split_output_1", scope);
    for (int i = 0; i < l->repeats; i++) {
        const char *m = arena_printf(w->a, "%s.m.%d", module, i), *s = arena_printf(w->a, "%s/m.%d", scope, i);
        const char *y = conv_block(w, arena_printf(w->a, "%s.cv1", m), arena_printf(w->a, "%s/cv1", s), joined[1 + i], 1);
        y = conv_block(w, arena_printf(w->a, "%s.cv2", m), arena_printf(w->a, "%s/cv2", s), y, 1);
        if (l->shortcut)
            y = graph_add(w->g, (struct graph_node){.op = "Add", .name = arena_printf(w->a, "%s/Add", s), .in = {joined[1 + i], y}});
        joined[2 + i] = y;
    }
    x = concat(w, arena_printf(w->a, "%s/Concat", scope), 2 + l->repeats, joined, 1, NULL);
    return conv_block(w, arena_printf(w->a, "%s.cv2", module), arena_printf(w->a, "%s/cv2", scope), x, 1);
}

static const char *sppf(struct walk *w, int index, const char *in)
{
    static const char *const pools[] = {"m", "m_1", "m_2"}; /* torch numbers the calls of one module */
    const char *module = arena_printf(w->a, "model.%d", index), *scope = arena_printf(w->a, "/model.%d", index);
    int64_t k = w->spec->layers[index].kernel;
    const char *joined[4];
    joined[0] = conv_block(w, arena_printf(w->a, "%s.cv1", module), arena_printf(w->a, "%s/cv1", scope), in, 1);
    for (int i = 0; i < 3; i++) {
        struct graph_node pool = {.op = "MaxPool", .name = arena_printf(w->a, "%s/%s/MaxPool", scope, pools[i]), .in = {joined[i]}};
        graph_attr_int(&pool.attributes, "ceil_mode", 0);
        graph_attr_ints(&pool.attributes, "kernel_shape", 2, (int64_t[]){k, k});
        graph_attr_ints(&pool.attributes, "pads", 4, (int64_t[]){k / 2, k / 2, k / 2, k / 2});
        graph_attr_ints(&pool.attributes, "strides", 2, (int64_t[]){1, 1});
        joined[i + 1] = graph_add(w->g, pool);
    }
    const char *x = concat(w, arena_printf(w->a, "%s/Concat", scope), 4, joined, 1, NULL);
    return conv_block(w, arena_printf(w->a, "%s.cv2", module), arena_printf(w->a, "%s/cv2", scope), x, 1);
}

static const char *upsample(struct walk *w, int index, const char *in)
{
    const char *scope = arena_printf(w->a, "/model.%d", index);
    const char *scales = graph_floats(w->g, arena_printf(w->a, "model.%d.scales", index), 1, (int64_t[]){4}, (float[]){1, 1, 2, 2});
    struct graph_node node = {.op = "Resize", .name = arena_printf(w->a, "%s/Resize", scope), .in = {in, "", scales}};
    graph_attr_text(&node.attributes, "coordinate_transformation_mode", "asymmetric");
    graph_attr_text(&node.attributes, "mode", "nearest");
    graph_attr_text(&node.attributes, "nearest_mode", "floor");
    return graph_add(w->g, node);
}

static const char *branch(struct walk *w, const char *which, int level)
{
    const char *module = arena_printf(w->a, "model.%d.%s.%d", DETECT, which, level);
    const char *scope = arena_printf(w->a, "/model.%d/%s.%d/%s.%d", DETECT, which, level, which, level);
    const char *x = w->out[w->spec->level_layers[level]];
    for (int i = 0; i < 2; i++)
        x = conv_block(w, arena_printf(w->a, "%s.%d", module, i), arena_printf(w->a, "%s.%d", scope, i), x, 1);
    const struct param *weight = find(w, module, "2.weight"), *bias = find(w, module, "2.bias");
    struct arena scratch = {0};
    float *values = ARENA_NEW(&scratch, float, weight->n + bias->n);
    for (size_t i = 0; i < weight->n; i++)
        values[i] = (float)w->weights[weight->offset + i];
    for (size_t i = 0; i < bias->n; i++)
        values[weight->n + i] = (float)w->weights[bias->offset + i];
    int64_t dims[4] = {weight->dims[0], weight->dims[1], 1, 1};
    add_weights(w, weight->name, 4, dims, values, weight->n);
    add_weights(w, bias->name, 1, dims, values + weight->n, bias->n);
    arena_free(&scratch);
    return add_conv(w, arena_printf(w->a, "%s.2/Conv", scope), x, weight->name, bias->name, 1, 1);
}

static const char *head_node(struct walk *w, const char *op, const char *name, const char *a, const char *b)
{
    return graph_add(w->g, (struct graph_node){.op = op, .name = arena_printf(w->a, "/model.%d/%s", DETECT, name), .in = {a, b}});
}

/* All levels of one branch as [batch,channels,anchors]. `first` numbers the nodes as torch does: Reshape, Reshape_1, ... */
static const char *flatten(struct walk *w, const char *which, int channels, int first)
{
    const char *flat[SPEC_LEVELS];
    for (int l = 0; l < SPEC_LEVELS; l++) {
        int64_t side = w->image_size / w->spec->level_strides[l], dims[] = {w->batch, channels, side * side};
        const char *shape = graph_ints(w->g, arena_printf(w->a, "model.%d.%s.%d.shape", DETECT, which, l), 3, dims);
        int number = first * SPEC_LEVELS + l;
        const char *name = number ? arena_printf(w->a, "Reshape_%d", number) : "Reshape";
        flat[l] = head_node(w, "Reshape", name, branch(w, which, l), shape);
    }
    return concat(w, arena_printf(w->a, first ? "/model.%d/Concat_%d" : "/model.%d/Concat", DETECT, first), SPEC_LEVELS, flat, 2, NULL);
}

/* Expected distance of every side: softmax over the bins, then the mean bin as a 1x1 convolution with weights 0..15. */
static const char *distances(struct walk *w, const char *box, int anchors)
{
    float bins[SPEC_REG_MAX];
    for (int i = 0; i < SPEC_REG_MAX; i++)
        bins[i] = (float)i;
    const char *split = graph_ints(w->g, "model.22.dfl.split", 4, (int64_t[]){w->batch, 4, SPEC_REG_MAX, anchors});
    const char *merge = graph_ints(w->g, "model.22.dfl.merge", 3, (int64_t[]){w->batch, 4, anchors});
    const char *weight = graph_floats(w->g, "model.22.dfl.conv.weight", 4, (int64_t[]){1, SPEC_REG_MAX, 1, 1}, bins);
    const char *x = head_node(w, "Reshape", "dfl/Reshape", box, split);
    struct graph_node transpose = {.op = "Transpose", .name = "/model.22/dfl/Transpose", .in = {x}};
    graph_attr_ints(&transpose.attributes, "perm", 4, (int64_t[]){0, 2, 1, 3});
    struct graph_node softmax = {.op = "Softmax", .name = "/model.22/dfl/Softmax", .in = {graph_add(w->g, transpose)}};
    graph_attr_int(&softmax.attributes, "axis", 1);
    x = add_conv(w, "/model.22/dfl/conv/Conv", graph_add(w->g, softmax), weight, NULL, 1, 1);
    return head_node(w, "Reshape", "dfl/Reshape_1", x, merge);
}

static const char *slice(struct walk *w, const char *name, const char *in, const char *from, const char *to, const char *axis)
{
    return graph_add(w->g, (struct graph_node){.op = "Slice", .name = name, .in = {in, from, to, axis}});
}

/* Per anchor: cx = ax*s + (r-l)*s/2, cy likewise, w = (l+r)*s, h = (t+b)*s, so output = [rb-lt, lt+rb] * scale + offset. */
static void anchor_tables(const struct walk *w, int anchors, float *scale, float *offset)
{
    size_t n = (size_t)anchors, at = 0;
    for (int l = 0; l < SPEC_LEVELS; l++) {
        int stride = w->spec->level_strides[l], cells = w->image_size / stride;
        for (int i = 0; i < cells * cells; i++, at++) {
            scale[at] = scale[n + at] = (float)stride / 2;
            scale[2 * n + at] = scale[3 * n + at] = (float)stride;
            offset[at] = ((float)(i % cells) + 0.5f) * (float)stride;
            offset[n + at] = ((float)(i / cells) + 0.5f) * (float)stride;
        }
    }
}

/* The decoding is arranged for OpenCV 4.6: no uneven Split, and constants as second operands of full shape. */
static void detect(struct walk *w)
{
    struct arena scratch = {0};
    int anchors = spec_anchors(w->image_size, w->image_size);
    size_t n = mem_mul((size_t)anchors, 4);
    float *scale = ARENA_NEW(&scratch, float, n), *offset = ARENA_NEW(&scratch, float, n);
    anchor_tables(w, anchors, scale, offset);
    int64_t dims[3] = {1, 4, anchors};
    const char *box = flatten(w, "cv2", 4 * SPEC_REG_MAX, 0), *cls = flatten(w, "cv3", w->spec->n_classes, 1);
    const char *d = distances(w, box, anchors);
    const char *zero = graph_ints(w->g, "model.22.zero", 1, (int64_t[]){0}), *one = graph_ints(w->g, "model.22.one", 1, (int64_t[]){1});
    const char *two = graph_ints(w->g, "model.22.two", 1, (int64_t[]){2}), *four = graph_ints(w->g, "model.22.four", 1, (int64_t[]){4});
    const char *lt = slice(w, "/model.22/Slice", d, zero, two, one), *rb = slice(w, "/model.22/Slice_1", d, two, four, one);
    const char *parts[2] = {head_node(w, "Sub", "Sub", rb, lt), head_node(w, "Add", "Add", lt, rb)};
    const char *x = concat(w, "/model.22/Concat_2", 2, parts, 1, NULL);
    x = head_node(w, "Mul", "Mul", x, graph_floats(w->g, "model.22.anchor_scale", 3, dims, scale));
    parts[0] = head_node(w, "Add", "Add_1", x, graph_floats(w->g, "model.22.anchor_offset", 3, dims, offset));
    parts[1] = head_node(w, "Sigmoid", "Sigmoid", cls, NULL);
    concat(w, "/model.22/Concat_3", 2, parts, 1, "output0");
    arena_free(&scratch);
}

static void add_layer(struct walk *w, int index)
{
    const struct layer *l = &w->spec->layers[index];
    const char *in = l->from[0] < 0 ? "images" : w->out[l->from[0]];
    const char *joined[GRAPH_MAX_INPUTS];
    switch (l->kind) {
    case LAYER_CONV:
        w->out[index] = conv_block(w, arena_printf(w->a, "model.%d", index), arena_printf(w->a, "/model.%d", index), in, l->stride);
        break;
    case LAYER_C2F:
        w->out[index] = c2f(w, index, in);
        break;
    case LAYER_SPPF:
        w->out[index] = sppf(w, index, in);
        break;
    case LAYER_UPSAMPLE:
        w->out[index] = upsample(w, index, in);
        break;
    case LAYER_CONCAT:
        for (int i = 0; i < l->n_from; i++)
            joined[i] = w->out[l->from[i]];
        w->out[index] = concat(w, arena_printf(w->a, "/model.%d/Concat", index), l->n_from, joined, 1, NULL);
        break;
    case LAYER_DETECT:
        detect(w);
        break;
    }
}

bool onnx_net_add(struct graph *g, const struct spec *spec, const struct param_set *p, const real *weights, int image_size,
                  int batch)
{
    struct walk w = {
        .g = g, .a = g->arena, .spec = spec, .params = p, .weights = weights, .image_size = image_size, .batch = batch,
        .is_finite = true};
    for (int i = 0; i < SPEC_LAYERS; i++)
        add_layer(&w, i);
    return w.is_finite;
}
