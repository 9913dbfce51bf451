#include "detector/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"

struct table {
    struct arena *arena;
    struct param_set *p;
    int cap;
};

static void push(struct table *t, const char *name, const char *suffix, enum param_kind kind, int n_dims, int d0,
                 int d1, int k)
{
    struct param_set *p = t->p;
    if (p->n_items == t->cap)
        BUG("more than %d parameters", t->cap);
    struct param *q = &p->items[p->n_items++];
    *q = (struct param){
        .name = arena_printf(t->arena, "%s.%s", name, suffix),
        .kind = kind,
        .n_dims = n_dims,
        .dims = {d0, d1, k, k},
        .n = (size_t)d0 * (size_t)d1 * (size_t)k * (size_t)k,
    };
}

static void push_block(struct table *t, const char *name, int ci, int co, int k)
{
    push(t, name, "conv.weight", PARAM_WEIGHT, 4, co, ci, k);
    push(t, name, "bn.weight", PARAM_BN_SCALE, 1, co, 1, 1);
    push(t, name, "bn.bias", PARAM_BIAS, 1, co, 1, 1);
    push(t, name, "bn.running_mean", PARAM_MEAN, 1, co, 1, 1);
    push(t, name, "bn.running_var", PARAM_VAR, 1, co, 1, 1);
}

static void push_c2f(struct table *t, const char *name, const struct layer *l)
{
    int c = l->c_out / 2;
    push_block(t, arena_printf(t->arena, "%s.cv1", name), l->c_in, 2 * c, 1);
    push_block(t, arena_printf(t->arena, "%s.cv2", name), (2 + l->repeats) * c, l->c_out, 1);
    for (int i = 0; i < l->repeats; i++) {
        push_block(t, arena_printf(t->arena, "%s.m.%d.cv1", name, i), c, c, 3);
        push_block(t, arena_printf(t->arena, "%s.m.%d.cv2", name, i), c, c, 3);
    }
}

static void push_branch(struct table *t, const struct spec *s, const char *branch, int hidden, int outputs)
{
    for (int l = 0; l < SPEC_LEVELS; l++) {
        const char *name = arena_printf(t->arena, "model.%d.%s.%d", SPEC_LAYERS - 1, branch, l);
        push_block(t, arena_printf(t->arena, "%s.0", name), s->level_channels[l], hidden, 3);
        push_block(t, arena_printf(t->arena, "%s.1", name), hidden, hidden, 3);
        push(t, name, "2.weight", PARAM_WEIGHT, 4, outputs, hidden, 1);
        push(t, name, "2.bias", PARAM_BIAS, 1, outputs, 1, 1);
    }
}

static void push_layer(struct table *t, const struct spec *s, int index)
{
    const struct layer *l = &s->layers[index];
    const char *name = arena_printf(t->arena, "model.%d", index);
    switch (l->kind) {
    case LAYER_CONV:
        push_block(t, name, l->c_in, l->c_out, l->kernel);
        break;
    case LAYER_C2F:
        push_c2f(t, name, l);
        break;
    case LAYER_SPPF:
        push_block(t, arena_printf(t->arena, "%s.cv1", name), l->c_in, l->c_in / 2, 1);
        push_block(t, arena_printf(t->arena, "%s.cv2", name), l->c_in * 2, l->c_out, 1);
        break;
    case LAYER_DETECT:
        push_branch(t, s, "cv2", s->box_channels, 4 * SPEC_REG_MAX);
        push_branch(t, s, "cv3", s->cls_channels, s->n_classes);
        break;
    case LAYER_UPSAMPLE:
    case LAYER_CONCAT:
        break;
    }
}

static bool is_trained(const struct param *q)
{
    return q->kind != PARAM_MEAN && q->kind != PARAM_VAR;
}

void model_make(const struct spec *spec, const char *const *class_names, int image_size, bool for_training,
                struct arena *a, struct model *out)
{
    *out = (struct model){.spec = *spec, .class_names = class_names, .image_size = image_size};
    struct param_set *p = &out->params;
    struct table t = {.arena = a, .p = p, .cap = 512};
    p->items = ARENA_NEW(a, struct param, (size_t)t.cap);
    for (int i = 0; i < SPEC_LAYERS; i++)
        push_layer(&t, spec, i);

    for (int pass = 0; pass < 2; pass++) /* what the optimizer walks first, statistics after it */
        for (int i = 0; i < p->n_items; i++)
            if (is_trained(&p->items[i]) == (pass == 0)) {
                p->items[i].offset = p->n_total;
                p->n_total += p->items[i].n;
                if (pass == 0)
                    p->n_trainable = p->n_total;
            }
    p->data = ARENA_NEW(a, real, p->n_total);
    if (for_training) {
        p->grad = ARENA_NEW(a, real, p->n_trainable);
        p->ema = ARENA_NEW(a, real, p->n_total);
        p->moment1 = ARENA_NEW(a, real, p->n_trainable);
        p->moment2 = ARENA_NEW(a, real, p->n_trainable);
    }
}

static void init_param(struct model *m, int index, uint64_t seed)
{
    const struct param *q = &m->params.items[index];
    real *w = m->params.data + q->offset;
    real fill = q->kind == PARAM_BN_SCALE || q->kind == PARAM_VAR ? 1 : 0;
    for (size_t i = 0; i < q->n; i++)
        w[i] = fill;
    if (q->kind == PARAM_WEIGHT) {
        float bound = 1 / sqrtf((float)(q->dims[1] * q->dims[2] * q->dims[3]));
        struct rng r = rng_at(seed, RNG_INIT, 0, (uint32_t)index);
        for (size_t i = 0; i < q->n; i++)
            w[i] = (real)rng_range(&r, -bound, bound);
    }
}

static void init_head_bias(struct model *m, const char *branch, int level, double value)
{
    char name[64];
    snprintf(name, sizeof name, "model.%d.%s.%d.2.bias", SPEC_LAYERS - 1, branch, level);
    const struct param *q = param_find(&m->params, name);
    for (size_t i = 0; i < q->n; i++)
        m->params.data[q->offset + i] = (real)value;
}

void model_init(struct model *m, uint64_t seed)
{
    for (int i = 0; i < m->params.n_items; i++)
        init_param(m, i, seed);
    for (int l = 0; l < SPEC_LEVELS; l++) {
        double cells = 640.0 / m->spec.level_strides[l]; /* always of a 640 px input, as the reference does */
        init_head_bias(m, "cv2", l, 1.0);
        init_head_bias(m, "cv3", l, log(5.0 / m->spec.n_classes / (cells * cells)));
    }
    if (m->params.ema)
        memcpy(m->params.ema, m->params.data, m->params.n_total * sizeof(real));
}
