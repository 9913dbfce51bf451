/* Every kind of operation, every parameter of it, against central differences: in double, with a random cotangent. One
 * small net holds all operations and all ways of sharing memory: stride, residual, concatenation by views, a tensor
 * with two readers, two outputs. */
#include "../harness/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "nn/net.h"

#define STEP 1e-5
#define TOLERANCE 1e-6 /* of the tensor's largest gradient: truncation h^2 plus rounding eps/h stay a decade below */
#define BATCH 3

static void add_param(struct arena *a, struct param_set *p, const char *name, const char *suffix, enum param_kind kind,
                      int co, int ci, int k)
{
    struct param *q = &p->items[p->n_items++];
    *q = (struct param){.name = arena_printf(a, "%s.%s", name, suffix), .kind = kind, .n_dims = ci ? 4 : 1};
    q->n = ci ? (size_t)co * ci * k * k : (size_t)co;
}

static void add_block(struct arena *a, struct param_set *p, const char *name, int ci, int co, int k)
{
    add_param(a, p, name, "conv.weight", PARAM_WEIGHT, co, ci, k);
    add_param(a, p, name, "bn.weight", PARAM_BN_SCALE, co, 0, 0);
    add_param(a, p, name, "bn.bias", PARAM_BIAS, co, 0, 0);
    add_param(a, p, name, "bn.running_mean", PARAM_MEAN, co, 0, 0);
    add_param(a, p, name, "bn.running_var", PARAM_VAR, co, 0, 0);
}

static void add_biased(struct arena *a, struct param_set *p, const char *name, int ci, int co)
{
    add_param(a, p, name, "weight", PARAM_WEIGHT, co, ci, 1);
    add_param(a, p, name, "bias", PARAM_BIAS, co, 0, 0);
}

static void lay_out(struct arena *a, struct param_set *p)
{
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
    p->data = ARENA_NEW(a, real, p->n_total);
    p->grad = ARENA_NEW(a, real, p->n_total);
    struct rng r = rng_at(7, RNG_TEST, 0, 0);
    for (size_t i = 0; i < p->n_total; i++)
        p->data[i] = (real)rng_range(&r, -0.7f, 0.9f);
}

struct fixture {
    struct arena arena;
    struct param_set params;
    struct kernels kernels;
    struct net net;
    int out[2];
    real *cotangent[2];
};

static int whole(struct net *n, int c, int size)
{
    return net_view(n, net_buffer(n, c, size, size), 0, c);
}

static void build(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    struct arena *a = &f->arena;
    struct param_set *p = &f->params;
    p->items = ARENA_NEW(a, struct param, 64);
    add_block(a, p, "a", 3, 4, 3);
    add_block(a, p, "b", 4, 6, 3);
    add_block(a, p, "c", 12, 6, 1);
    add_block(a, p, "d", 6, 6, 3);
    add_biased(a, p, "e", 6, 5);
    add_biased(a, p, "f", 6, 3);
    lay_out(a, p);
    kernels_ref(&f->kernels);

    struct net *n = &f->net;
    *n = (struct net){.kernels = &f->kernels, .params = p};
    int x = whole(n, 3, 9), t1 = whole(n, 4, 9), cat = net_buffer(n, 12, 5, 5);
    int t2 = net_view(n, cat, 0, 6), t3 = net_view(n, cat, 6, 6), t4 = whole(n, 6, 5), t5 = whole(n, 6, 5),
        t6 = whole(n, 6, 10);
    f->out[0] = whole(n, 5, 10);
    f->out[1] = whole(n, 3, 5);
    net_conv_bn_silu(n, "a", x, t1, -1, 3, 1);
    net_conv_bn_silu(n, "b", t1, t2, -1, 3, 2);
    net_maxpool(n, t2, t3);
    net_conv_bn_silu(n, "c", net_view(n, cat, 0, 12), t4, -1, 1, 1);
    net_conv_bn_silu(n, "d", t4, t5, t4, 3, 1);
    net_upsample(n, t5, t6);
    net_conv_bias(n, "e", t6, f->out[0]);
    net_conv_bias(n, "f", t5, f->out[1]);
    net_plan(n, BATCH, true, a);

    struct rng r = rng_at(8, RNG_TEST, 0, 0);
    struct tensor *in = &n->tensors[x];
    for (size_t i = 0; i < in->image_stride * BATCH; i++)
        in->data[i] = (real)rng_range(&r, -1, 1);
    for (int o = 0; o < 2; o++) {
        size_t size = n->tensors[f->out[o]].image_stride * BATCH;
        f->cotangent[o] = ARENA_NEW(a, real, size);
        for (size_t i = 0; i < size; i++)
            f->cotangent[o][i] = (real)rng_range(&r, -1, 1);
    }
}

static void tear_down(struct fixture *f)
{
    net_free(&f->net);
    arena_free(&f->arena);
}

static double value(struct fixture *f)
{
    net_forward(&f->net, f->params.data, BATCH);
    double total = 0;
    for (int o = 0; o < 2; o++) {
        const struct tensor *t = &f->net.tensors[f->out[o]];
        for (size_t i = 0; i < t->image_stride * BATCH; i++)
            total += (double)t->data[i] * (double)f->cotangent[o][i];
    }
    return total;
}

static void backward(struct fixture *f)
{
    for (int o = 0; o < 2; o++) {
        struct tensor *t = &f->net.tensors[f->out[o]];
        memcpy(t->grad, f->cotangent[o], t->image_stride * BATCH * sizeof(real));
    }
    memset(f->params.grad, 0, f->params.n_trainable * sizeof(real));
    net_backward(&f->net, BATCH);
}

static void test_every_parameter(void **state)
{
    (void)state;
    struct fixture f;
    build(&f);
    value(&f);
    backward(&f);
    int n_checked = 0;
    for (int i = 0; i < f.params.n_items; i++) {
        const struct param *q = &f.params.items[i];
        if (q->offset >= f.params.n_trainable)
            continue;
        double largest = 0;
        for (size_t j = 0; j < q->n; j++)
            largest = fmax(largest, fabs((double)f.params.grad[q->offset + j]));
        assert_true(largest > 1e-3); /* a gradient that is zero everywhere proves nothing */
        for (size_t j = 0; j < q->n; j++, n_checked++) {
            real *w = &f.params.data[q->offset + j], kept = *w;
            *w = kept + (real)STEP;
            double up = value(&f);
            *w = kept - (real)STEP;
            double down = value(&f);
            *w = kept;
            double expected = (up - down) / (2 * STEP), got = (double)f.params.grad[q->offset + j];
            if (!(fabs(got - expected) <= TOLERANCE * fmax(largest, 1)))
                fail_msg("%s[%zu]: gradient %.10g, central difference %.10g", q->name, j, got, expected);
        }
    }
    assert_true(n_checked > 700);
    tear_down(&f);
}

/* Gradients add up over calls: two backwards give twice the gradient. */
static void test_accumulates(void **state)
{
    (void)state;
    struct fixture f;
    build(&f);
    value(&f);
    backward(&f);
    size_t n = f.params.n_trainable;
    real *once = ARENA_NEW(&f.arena, real, n);
    memcpy(once, f.params.grad, n * sizeof(real));
    value(&f);
    for (int o = 0; o < 2; o++) {
        struct tensor *t = &f.net.tensors[f.out[o]];
        memcpy(t->grad, f.cotangent[o], t->image_stride * BATCH * sizeof(real));
    }
    net_backward(&f.net, BATCH);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs((double)(f.params.grad[i] - 2 * once[i])) <=
                    1e-13 * (1 + fabs((double)once[i])) * NET_GRAD_GROUPS);
    tear_down(&f);
}

/* The same bits from one worker and from three. */
static void test_threads_do_not_matter(void **state)
{
    (void)state;
    struct fixture one, two;
    build(&one);
    build(&two);
    value(&one);
    backward(&one);
    struct pool *pool = pool_open(3);
    struct arena extra = {0};
    two.net.pool = pool;
    two.net.scratch = ARENA_NEW(&extra, real, two.net.scratch_stride * 3);
    value(&two);
    backward(&two);
    assert_memory_equal(one.params.grad, two.params.grad, one.params.n_trainable * sizeof(real));
    pool_close(pool);
    arena_free(&extra);
    tear_down(&one);
    tear_down(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_parameter),
        cmocka_unit_test(test_accumulates),
        cmocka_unit_test(test_threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
