#include "detector/spec.h"

#include <stddef.h>

/* Multipliers in hundredths, so that the table's exact values (0.33, not 0.33000001) decide the rounding. */
struct scale {
    char name;
    int width, depth, max_channels;
};

static const struct scale scales[] = {
    {'n', 25, 33, 1024},
    {'s', 50, 33, 1024},
    {'m', 75, 67, 768},
};

/* The unscaled table. channels 0 = follows from the inputs; from -1 = the layer before. */
struct row {
    enum layer_kind kind;
    int n_from, from[3];
    int channels, repeats;
    bool shortcut;
};

static const struct row rows[SPEC_LAYERS] = {
    {LAYER_CONV, 1, {-1}, 64, 1, false},
    {LAYER_CONV, 1, {-1}, 128, 1, false},
    {LAYER_C2F, 1, {-1}, 128, 3, true},
    {LAYER_CONV, 1, {-1}, 256, 1, false},
    {LAYER_C2F, 1, {-1}, 256, 6, true},
    {LAYER_CONV, 1, {-1}, 512, 1, false},
    {LAYER_C2F, 1, {-1}, 512, 6, true},
    {LAYER_CONV, 1, {-1}, 1024, 1, false},
    {LAYER_C2F, 1, {-1}, 1024, 3, true},
    {LAYER_SPPF, 1, {-1}, 1024, 1, false},
    {LAYER_UPSAMPLE, 1, {-1}, 0, 1, false},
    {LAYER_CONCAT, 2, {-1, 6}, 0, 1, false},
    {LAYER_C2F, 1, {-1}, 512, 3, false},
    {LAYER_UPSAMPLE, 1, {-1}, 0, 1, false},
    {LAYER_CONCAT, 2, {-1, 4}, 0, 1, false},
    {LAYER_C2F, 1, {-1}, 256, 3, false},
    {LAYER_CONV, 1, {-1}, 256, 1, false},
    {LAYER_CONCAT, 2, {-1, 12}, 0, 1, false},
    {LAYER_C2F, 1, {-1}, 512, 3, false},
    {LAYER_CONV, 1, {-1}, 512, 1, false},
    {LAYER_CONCAT, 2, {-1, 9}, 0, 1, false},
    {LAYER_C2F, 1, {-1}, 1024, 3, false},
    {LAYER_DETECT, 3, {15, 18, 21}, 0, 1, false},
};

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

/* ceil(min(base, max) * width / 8) * 8 */
static int scaled_channels(const struct scale *s, int base)
{
    return (min_int(base, s->max_channels) * s->width + 799) / 800 * 8;
}

/* max(round(n * depth), 1) for n > 1, halves to even as the table's Python does. */
static int scaled_repeats(const struct scale *s, int base)
{
    if (base <= 1)
        return base;
    int hundredths = base * s->depth, whole = hundredths / 100, rest = hundredths % 100;
    if (rest > 50 || (rest == 50 && whole % 2 == 1))
        whole++;
    return max_int(whole, 1);
}

static void build_layer(const struct scale *s, int index, struct layer *layers)
{
    const struct row *r = &rows[index];
    struct layer *l = &layers[index];
    *l = (struct layer){.kind = r->kind, .n_from = r->n_from, .shortcut = r->shortcut};
    for (int i = 0; i < r->n_from; i++) {
        l->from[i] = r->from[i] < 0 ? index - 1 : r->from[i];
        l->c_in += l->from[i] < 0 ? 3 : layers[l->from[i]].c_out;
    }
    int in_stride = l->from[0] < 0 ? 1 : layers[l->from[0]].out_stride;
    l->c_out = r->channels ? scaled_channels(s, r->channels) : l->c_in;
    l->repeats = scaled_repeats(s, r->repeats);
    l->out_stride = in_stride;
    if (r->kind == LAYER_CONV) {
        l->kernel = 3;
        l->stride = 2;
        l->out_stride = in_stride * 2;
    } else if (r->kind == LAYER_SPPF) {
        l->kernel = 5;
        l->stride = 1;
    } else if (r->kind == LAYER_UPSAMPLE) {
        l->out_stride = in_stride / 2;
    }
}

bool spec_build(char scale, int n_classes, struct spec *out, struct error *e)
{
    const struct scale *s = NULL;
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        if (scales[i].name == scale)
            s = &scales[i];
    if (!s)
        return fail(e, ERR_CONFIG, "there is no detector of scale '%c': use n, s or m", scale);
    if (n_classes < 1 || n_classes > SPEC_MAX_CLASSES)
        return fail(e, ERR_CONFIG, "%d classes: a detector has 1 to %d", n_classes, SPEC_MAX_CLASSES);

    *out = (struct spec){.scale = scale, .n_classes = n_classes};
    for (int i = 0; i < SPEC_LAYERS; i++)
        build_layer(s, i, out->layers);

    struct layer *detect = &out->layers[SPEC_LAYERS - 1];
    for (int i = 0; i < SPEC_LEVELS; i++) {
        const struct layer *level = &out->layers[detect->from[i]];
        out->level_layers[i] = detect->from[i];
        out->level_channels[i] = level->c_out;
        out->level_strides[i] = level->out_stride;
    }
    detect->c_out = 4 * SPEC_REG_MAX + n_classes; /* per cell and level */
    out->box_channels = max_int(max_int(16, out->level_channels[0] / 4), 4 * SPEC_REG_MAX);
    out->cls_channels = max_int(out->level_channels[0], min_int(n_classes, 100));
    return true;
}

int spec_anchors(int h, int w)
{
    int n = 0;
    for (int stride = 8; stride <= 32; stride *= 2)
        n += (h / stride) * (w / stride);
    return n;
}
