/* Every kind of block against PyTorch: outputs with running statistics and with those of the batch, every gradient, and
 * what the running statistics become. The block stands between a Conv, through which its gradient is seen, and a 1x1
 * convolution with bias: the list is the one of generate.py. */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BATCH 3
/* The largest element of a sum of K products is off by about sqrt(K) eps of the largest, and K is at most 9 * 96: 29.
 * Winograd's F(4x4, 3x3) costs another factor of up to three against the largest element. BatchNorm brings every layer back to
 * the same size, so that the errors of the at most seven layers add as independent ones do: 29 * 3 * sqrt(7) = 230. */
#define FORWARD 256
#define BACKWARD (2 * FORWARD) /* the same way again, with the forward's error in its factors */

struct fixture {
    struct golden golden;
    struct arena arena;
    struct param_set params;
    struct kernels kernels;
    struct net net;
};

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void add_param(struct fixture *f, const char *name, const char *suffix, enum param_kind kind, int co, int ci, int k)
{
    struct param *q = &f->params.items[f->params.n_items++];
    *q = (struct param){.name = arena_printf(&f->arena, "%s.%s", name, suffix),
                        .kind = kind,
                        .n_dims = ci ? 4 : 1,
                        .dims = {co, ci ? ci : 1, ci ? k : 1, ci ? k : 1}};
    q->n = (size_t)q->dims[0] * (size_t)q->dims[1] * (size_t)q->dims[2] * (size_t)q->dims[3];
}

static void add_conv(struct fixture *f, const char *name, int ci, int co, int k)
{
    add_param(f, name, "conv.weight", PARAM_WEIGHT, co, ci, k);
    add_param(f, name, "bn.weight", PARAM_BN_SCALE, co, 0, 0);
    add_param(f, name, "bn.bias", PARAM_BIAS, co, 0, 0);
    add_param(f, name, "bn.running_mean", PARAM_MEAN, co, 0, 0);
    add_param(f, name, "bn.running_var", PARAM_VAR, co, 0, 0);
}

static void lay_out(struct fixture *f)
{
    struct param_set *p = &f->params;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < p->n_items; i++) {
            struct param *q = &p->items[i];
            if ((q->kind == PARAM_MEAN || q->kind == PARAM_VAR) != (pass == 1))
                continue;
            q->offset = p->n_total;
            p->n_total += q->n;
            if (pass == 0)
                p->n_trainable = p->n_total;
        }
    p->data = ARENA_NEW(&f->arena, real, p->n_total);
    p->grad = ARENA_NEW(&f->arena, real, p->n_trainable);
}

/* ---- blocks: each takes a tensor and gives one -------------------------------------------------------------------- */

static int whole(struct net *n, int c, int h, int w)
{
    return net_view(n, net_buffer(n, c, h, w), 0, c);
}

static int conv(struct fixture *f, const char *name, int in, int co, int k, int stride)
{
    struct tensor x = f->net.tensors[in];
    int out = whole(&f->net, co, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride);
    net_conv_bn_silu(&f->net, name, in, out, -1, k, stride);
    return out;
}

static int c2f(struct fixture *f, int in, int co, int repeats, bool shortcut)
{
    struct net *n = &f->net;
    struct tensor x = n->tensors[in];
    int c = co / 2, parts = net_buffer(n, (2 + repeats) * c, x.h, x.w), out = whole(n, co, x.h, x.w);
    net_conv_bn_silu(n, "block.cv1", in, net_view(n, parts, 0, 2 * c), -1, 1, 1);
    for (int i = 0; i < repeats; i++) {
        char name[32];
        int from = net_view(n, parts, (1 + i) * c, c);
        snprintf(name, sizeof name, "block.m.%d.cv1", i);
        int hidden = conv(f, name, from, c, 3, 1);
        snprintf(name, sizeof name, "block.m.%d.cv2", i);
        net_conv_bn_silu(n, name, hidden, net_view(n, parts, (2 + i) * c, c), shortcut ? from : -1, 3, 1);
    }
    net_conv_bn_silu(n, "block.cv2", net_view(n, parts, 0, (2 + repeats) * c), out, -1, 1, 1);
    return out;
}

static int sppf(struct fixture *f, int in, int co)
{
    struct net *n = &f->net;
    struct tensor x = n->tensors[in];
    int c = x.c / 2, parts = net_buffer(n, 4 * c, x.h, x.w), out = whole(n, co, x.h, x.w);
    net_conv_bn_silu(n, "block.cv1", in, net_view(n, parts, 0, c), -1, 1, 1);
    for (int i = 0; i < 3; i++)
        net_maxpool(n, net_view(n, parts, i * c, c), net_view(n, parts, (i + 1) * c, c));
    net_conv_bn_silu(n, "block.cv2", net_view(n, parts, 0, 4 * c), out, -1, 1, 1);
    return out;
}

enum { CONV, C2F_SHORTCUT, C2F_PLAIN, SPPF, UPSAMPLE_CONCAT, HEAD };

static const struct block {
    const char *name;
    int ci, co, h, w, kind;
    int a, b; /* CONV: kernel and stride; C2F: repeats; HEAD: hidden channels */
} BLOCKS[] = {
    {"conv3", 16, 32, 9, 7, CONV, 3, 1},
    {"conv3_stride2", 16, 32, 9, 7, CONV, 3, 2},
    {"conv1", 48, 16, 6, 5, CONV, 1, 1},
    {"wide", 64, 96, 12, 12, CONV, 3, 1},
    {"c2f_shortcut", 32, 32, 8, 8, C2F_SHORTCUT, 2, 0},
    {"c2f_plain", 48, 32, 8, 6, C2F_PLAIN, 1, 0},
    {"sppf", 32, 48, 9, 8, SPPF, 0, 0},
    {"upsample_concat", 16, 16, 8, 6, UPSAMPLE_CONCAT, 0, 0},
    {"head", 32, 48, 7, 5, HEAD, 64, 0},
};

static void add_block_params(struct fixture *f, const struct block *b)
{
    int half = b->co / 2;
    switch (b->kind) {
    case CONV:
        add_conv(f, "block", b->ci, b->co, b->a);
        break;
    case C2F_SHORTCUT:
    case C2F_PLAIN:
        add_conv(f, "block.cv1", b->ci, 2 * half, 1);
        add_conv(f, "block.cv2", (2 + b->a) * half, b->co, 1);
        for (int i = 0; i < b->a; i++) {
            add_conv(f, arena_printf(&f->arena, "block.m.%d.cv1", i), half, half, 3);
            add_conv(f, arena_printf(&f->arena, "block.m.%d.cv2", i), half, half, 3);
        }
        break;
    case SPPF:
        add_conv(f, "block.cv1", b->ci, b->ci / 2, 1);
        add_conv(f, "block.cv2", 2 * b->ci, b->co, 1);
        break;
    case UPSAMPLE_CONCAT:
        add_conv(f, "block.down", b->ci, b->ci, 3);
        add_conv(f, "block.mix", 2 * b->ci, b->ci, 1);
        break;
    case HEAD:
        add_conv(f, "block.0", b->ci, b->a, 3);
        add_conv(f, "block.1", b->a, b->co, 3);
        break;
    }
}

static int add_block(struct fixture *f, const struct block *b, int in)
{
    switch (b->kind) {
    case CONV:
        return conv(f, "block", in, b->co, b->a, b->b);
    case C2F_SHORTCUT:
    case C2F_PLAIN:
        return c2f(f, in, b->co, b->a, b->kind == C2F_SHORTCUT);
    case SPPF:
        return sppf(f, in, b->co);
    }
    return conv(f, "block.1", conv(f, "block.0", in, b->a, 3, 1), b->co, 3, 1);
}

/* The input's Conv writes straight into the second half of what the concatenation reads. */
static int add_upsample_concat(struct fixture *f, const struct block *b, int input)
{
    struct net *n = &f->net;
    int cat = net_buffer(n, 2 * b->ci, b->h, b->w), x = net_view(n, cat, b->ci, b->ci);
    net_conv_bn_silu(n, "first", input, x, -1, 1, 1);
    net_upsample(n, conv(f, "block.down", x, b->ci, 3, 2), net_view(n, cat, 0, b->ci));
    return conv(f, "block.mix", net_view(n, cat, 0, 2 * b->ci), b->ci, 1, 1);
}

/* Returns input and output tensors. */
static void build(struct fixture *f, const struct block *b, bool is_training, int *in, int *out)
{
    struct net *n = &f->net;
    *n = (struct net){.kernels = &f->kernels, .params = &f->params};
    *in = net_input(n, b->ci, b->h, b->w);
    int y = b->kind == UPSAMPLE_CONCAT ? add_upsample_concat(f, b, *in)
                                       : add_block(f, b, conv(f, "first", *in, b->ci, 1, 1));
    struct tensor t = n->tensors[y];
    *out = whole(n, b->co, t.h, t.w);
    net_conv_bias(n, "last", y, *out);
    net_plan(n, BATCH, is_training, &f->arena);
    size_t image = (size_t)b->ci * (size_t)b->h * (size_t)b->w;
    real *x = ARENA_NEW(&f->arena, real, image * BATCH);
    seeded_fill_unit(arena_printf(&f->arena, "blocks/%s/input", b->name), x, image * BATCH);
    for (int i = 0; i < BATCH; i++)
        tensor_set(&n->tensors[*in], i, x + (size_t)i * image);
}

static void backward(struct fixture *f, const char *stem, const struct tensor *out)
{
    size_t image = golden_plane(out) * (size_t)out->c;
    real *d = ARENA_NEW(&f->arena, real, image * BATCH);
    seeded_fill_unit(arena_printf(&f->arena, "%s/cotangent", stem), d, image * BATCH);
    for (int i = 0; i < BATCH; i++)
        tensor_set_grad(out, i, d + (size_t)i * image);
    assert_true(net_backward(&f->net, BATCH));
    net_update_running(&f->net);
}

static void check_block(struct fixture *f, const struct block *b)
{
    int in, out;
    const char *stem = arena_printf(&f->arena, "blocks/%s", b->name);
    f->params = (struct param_set){.items = ARENA_NEW(&f->arena, struct param, 64)};
    add_conv(f, "first", b->ci, b->ci, 1);
    add_block_params(f, b);
    add_param(f, "last", "weight", PARAM_WEIGHT, b->co, b->co, 1);
    add_param(f, "last", "bias", PARAM_BIAS, b->co, 0, 0);
    lay_out(f);
    seeded_fill_params(stem, &f->params);

    build(f, b, false, &in, &out);
    net_use_weights(&f->net, f->params.data);
    assert_true(net_forward(&f->net, BATCH));
    golden_check_tensor(&f->golden, arena_printf(&f->arena, "%s/inference", stem), &f->net.tensors[out], BATCH, false,
                        FORWARD);
    net_free(&f->net);
    build(f, b, true, &in, &out);
    net_use_weights(&f->net, f->params.data);
    assert_true(net_forward(&f->net, BATCH));
    golden_check_tensor(&f->golden, arena_printf(&f->arena, "%s/training", stem), &f->net.tensors[out], BATCH, false,
                        FORWARD);
    backward(f, stem, &f->net.tensors[out]);
    golden_check_grads(&f->golden, stem, &f->params, BACKWARD);
    golden_check_running(&f->golden, stem, &f->params, FORWARD);
    net_free(&f->net);
}

static void test_blocks(void **state)
{
    struct fixture f = {0};
    golden_kernels(state, &f.kernels);
    golden_open(&f.golden, "blocks");
    for (size_t i = 0; i < COUNT(BLOCKS); i++) {
        check_block(&f, &BLOCKS[i]);
        golden_report(&f.golden, BLOCKS[i].name);
        arena_reset(&f.arena);
    }
    golden_close(&f.golden);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {GOLDEN_SETS(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
