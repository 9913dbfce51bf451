/* From the layer table to the list of operations. Every concatenation is a buffer made in advance, and the layers that
 * it reads write their outputs straight into their channels of it. */
#include "detector/detector.h"

#include <stdio.h>

#define NAME 64

struct builder {
    struct detector *d;
    int out[SPEC_LAYERS]; /* tensor of each layer's output */
};

static int new_buffer(struct builder *b, int c, int stride)
{
    return net_buffer(&b->d->net, c, b->d->h / stride, b->d->w / stride);
}

static int new_tensor(struct builder *b, int c, int stride)
{
    return net_view(&b->d->net, new_buffer(b, c, stride), 0, c);
}

/* Gives every layer its output tensor: a view into the concatenation that reads it, else a buffer of its own. */
static void place_outputs(struct builder *b)
{
    const struct spec *s = b->d->spec;
    struct net *net = &b->d->net;
    for (int i = 0; i < SPEC_LAYERS; i++)
        b->out[i] = -1;
    for (int i = 0; i < SPEC_LAYERS; i++) {
        const struct layer *l = &s->layers[i];
        if (l->kind != LAYER_CONCAT)
            continue;
        int buffer = new_buffer(b, l->c_out, l->out_stride), channel = 0;
        b->out[i] = net_view(net, buffer, 0, l->c_out);
        for (int j = 0; j < l->n_from; j++) {
            int from = l->from[j], c = s->layers[from].c_out;
            if (b->out[from] >= 0)
                BUG("layer %d feeds two concatenations", from);
            b->out[from] = net_view(net, buffer, channel, c);
            channel += c;
        }
    }
    for (int i = 0; i < SPEC_LAYERS - 1; i++)
        if (b->out[i] < 0)
            b->out[i] = new_tensor(b, s->layers[i].c_out, s->layers[i].out_stride);
}

static int input_of(const struct builder *b, int layer)
{
    int from = b->d->spec->layers[layer].from[0];
    return from < 0 ? b->d->image : b->out[from];
}

/* cv1 writes the first two slots of a buffer of 2+n slots, bottleneck i reads slot 1+i and writes slot 2+i, cv2 reads
 * all. */
static void build_c2f(struct builder *b, int index)
{
    struct net *net = &b->d->net;
    const struct layer *l = &b->d->spec->layers[index];
    int c = l->c_out / 2, buffer = new_buffer(b, (2 + l->repeats) * c, l->out_stride);
    char name[NAME];
    snprintf(name, sizeof name, "model.%d.cv1", index);
    net_conv_bn_silu(net, name, input_of(b, index), net_view(net, buffer, 0, 2 * c), -1, 1, 1);
    for (int i = 0; i < l->repeats; i++) {
        int in = net_view(net, buffer, (1 + i) * c, c), out = net_view(net, buffer, (2 + i) * c, c);
        int hidden = new_tensor(b, c, l->out_stride);
        snprintf(name, sizeof name, "model.%d.m.%d.cv1", index, i);
        net_conv_bn_silu(net, name, in, hidden, -1, 3, 1);
        snprintf(name, sizeof name, "model.%d.m.%d.cv2", index, i);
        net_conv_bn_silu(net, name, hidden, out, l->shortcut ? in : -1, 3, 1);
    }
    snprintf(name, sizeof name, "model.%d.cv2", index);
    net_conv_bn_silu(net, name, net_view(net, buffer, 0, (2 + l->repeats) * c), b->out[index], -1, 1, 1);
}

static void build_sppf(struct builder *b, int index)
{
    struct net *net = &b->d->net;
    const struct layer *l = &b->d->spec->layers[index];
    int c = l->c_in / 2, buffer = new_buffer(b, 4 * c, l->out_stride);
    char name[NAME];
    snprintf(name, sizeof name, "model.%d.cv1", index);
    net_conv_bn_silu(net, name, input_of(b, index), net_view(net, buffer, 0, c), -1, 1, 1);
    for (int i = 0; i < 3; i++)
        net_maxpool(net, net_view(net, buffer, i * c, c), net_view(net, buffer, (i + 1) * c, c));
    snprintf(name, sizeof name, "model.%d.cv2", index);
    net_conv_bn_silu(net, name, net_view(net, buffer, 0, 4 * c), b->out[index], -1, 1, 1);
}

static int build_branch(struct builder *b, const char *branch, int level, int hidden, int outputs)
{
    struct net *net = &b->d->net;
    const struct spec *s = b->d->spec;
    int stride = s->level_strides[level], in = b->out[s->level_layers[level]];
    char name[NAME];
    for (int i = 0; i < 2; i++) {
        int out = new_tensor(b, hidden, stride);
        snprintf(name, sizeof name, "model.%d.%s.%d.%d", SPEC_LAYERS - 1, branch, level, i);
        net_conv_bn_silu(net, name, in, out, -1, 3, 1);
        in = out;
    }
    int out = new_tensor(b, outputs, stride);
    snprintf(name, sizeof name, "model.%d.%s.%d.2", SPEC_LAYERS - 1, branch, level);
    net_conv_bias(net, name, in, out);
    return out;
}

static void build_layer(struct builder *b, int index)
{
    const struct layer *l = &b->d->spec->layers[index];
    char name[NAME];
    switch (l->kind) {
    case LAYER_CONV:
        snprintf(name, sizeof name, "model.%d", index);
        net_conv_bn_silu(&b->d->net, name, input_of(b, index), b->out[index], -1, l->kernel, l->stride);
        break;
    case LAYER_C2F:
        build_c2f(b, index);
        break;
    case LAYER_SPPF:
        build_sppf(b, index);
        break;
    case LAYER_UPSAMPLE:
        net_upsample(&b->d->net, input_of(b, index), b->out[index]);
        break;
    case LAYER_CONCAT: /* its inputs already lie in its buffer */
        break;
    case LAYER_DETECT:
        for (int level = 0; level < SPEC_LEVELS; level++) {
            b->d->box[level] = build_branch(b, "cv2", level, b->d->spec->box_channels, 4 * SPEC_REG_MAX);
            b->d->cls[level] = build_branch(b, "cv3", level, b->d->spec->cls_channels, b->d->spec->n_classes);
        }
        break;
    }
}

void detector_build(struct detector *d, const struct spec *spec, struct param_set *params, const struct kernels *k,
                    struct pool *pool, int h, int w)
{
    if (h % 32 != 0 || h < 32 || w % 32 != 0 || w < 32)
        BUG("input of %d x %d is no multiple of 32", h, w);
    *d = (struct detector){.spec = spec, .h = h, .w = w, .n_anchors = spec_anchors(h, w)};
    d->net = (struct net){.kernels = k, .params = params, .pool = pool};
    d->image = net_input_rgb(&d->net, h, w);
    struct builder b = {.d = d};
    place_outputs(&b);
    for (int i = 0; i < SPEC_LAYERS; i++)
        build_layer(&b, i);
}

void detector_free(struct detector *d)
{
    net_free(&d->net);
}
