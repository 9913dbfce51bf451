/* Every kind of operation, every parameter of it, against central differences: in double, with a random cotangent. One
 * small net holds all operations and all ways of sharing memory: stride, residual, concatenation by views, a tensor
 * with two readers, two outputs, channels that fill no whole block or more than one; once with Winograd, once without. */
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
    real *cotangent[2][BATCH]; /* [c][h][w] */
};

static int whole(struct net *n, int c, int size)
{
    return net_view(n, net_buffer(n, c, size, size), 0, c);
}

static size_t elements(const struct tensor *t)
{
    return (size_t)(t->c * t->h * t->w);
}

static real *random_image(struct arena *a, const struct tensor *t, struct rng *r)
{
    real *image = ARENA_NEW(a, real, elements(t));
    for (size_t i = 0; i < elements(t); i++)
        image[i] = (real)rng_range(r, -1, 1);
    return image;
}

static void build(struct fixture *f, bool is_direct, size_t keep_bytes, struct pool *pool)
{
    memset(f, 0, sizeof *f);
    struct arena *a = &f->arena;
    struct param_set *p = &f->params;
    p->items = ARENA_NEW(a, struct param, 64);
    add_block(a, p, "a", 3, 4, 3);
    add_block(a, p, "b", 4, 16, 3);
    add_block(a, p, "c", 22, 6, 1);
    add_block(a, p, "d", 6, 6, 3);
    add_block(a, p, "g", 18, 6, 3);
    add_block(a, p, "h", 16, 18, 3);
    add_biased(a, p, "e", 6, 5);
    add_biased(a, p, "f", 6, 3);
    lay_out(a, p);
    kernels_ref(&f->kernels);
    f->kernels.is_direct = is_direct;

    struct net *n = &f->net;
    *n = (struct net){.kernels = &f->kernels, .params = p, .pool = pool, .keep_bytes = keep_bytes};
    int x = net_input(n, 3, 9, 9), t1 = whole(n, 4, 9), cat = net_buffer(n, 22, 5, 5);
    int t2 = net_view(n, cat, 0, 16), t3 = net_view(n, cat, 16, 6), t4 = whole(n, 6, 5), t5 = whole(n, 6, 5),
        t6 = whole(n, 6, 10), t7 = whole(n, 6, 5), t8 = whole(n, 18, 5);
    f->out[0] = whole(n, 5, 10);
    f->out[1] = whole(n, 3, 5);
    net_conv_bn_silu(n, "a", x, t1, -1, 3, 1);
    net_conv_bn_silu(n, "b", t1, t2, -1, 3, 2);
    net_conv_bn_silu(n, "h", t2, t8, -1, 3, 1);
    net_conv_bn_silu(n, "g", t8, t7, -1, 3, 1);
    net_maxpool(n, t7, t3);
    net_conv_bn_silu(n, "c", net_view(n, cat, 0, 22), t4, -1, 1, 1);
    net_conv_bn_silu(n, "d", t4, t5, t4, 3, 1);
    net_upsample(n, t5, t6);
    net_conv_bias(n, "e", t6, f->out[0]);
    net_conv_bias(n, "f", t5, f->out[1]);
    net_plan(n, BATCH, true, a);
    net_use_weights(n, p->data);

    struct rng r = rng_at(8, RNG_TEST, 0, 0);
    for (int i = 0; i < BATCH; i++) {
        tensor_set(&n->tensors[x], i, random_image(a, &n->tensors[x], &r));
        for (int o = 0; o < 2; o++)
            f->cotangent[o][i] = random_image(a, &n->tensors[f->out[o]], &r);
    }
}

static void tear_down(struct fixture *f)
{
    net_free(&f->net);
    arena_free(&f->arena);
}

static double value(struct fixture *f)
{
    net_forward(&f->net, BATCH);
    double total = 0;
    real out[5 * 10 * 10];
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < BATCH; i++) {
            const struct tensor *t = &f->net.tensors[f->out[o]];
            tensor_get(t, i, out);
            for (size_t j = 0; j < elements(t); j++)
                total += (double)out[j] * (double)f->cotangent[o][i][j];
        }
    return total;
}

static void backward(struct fixture *f)
{
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < BATCH; i++)
            tensor_set_grad(&f->net.tensors[f->out[o]], i, f->cotangent[o][i]);
    net_backward(&f->net, BATCH);
}

/* All elements of a small tensor, every seventh of a large one. */
static void check_every_parameter(bool is_direct)
{
    struct fixture f;
    build(&f, is_direct, 0, NULL);
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
        for (size_t j = 0; j < q->n; j += q->n > 600 ? 7 : 1, n_checked++) {
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
    assert_true(n_checked > 1500);
    tear_down(&f);
}

static void test_every_parameter(void **state)
{
    (void)state;
    check_every_parameter(false);
}

static void test_every_parameter_direct(void **state)
{
    (void)state;
    check_every_parameter(true);
}

/* Gradients add up over calls: two backwards give twice the gradient. */
static void test_accumulates(void **state)
{
    (void)state;
    struct fixture f;
    build(&f, false, 0, NULL);
    value(&f);
    backward(&f);
    size_t n = f.params.n_trainable;
    real *once = ARENA_NEW(&f.arena, real, n);
    memcpy(once, f.params.grad, n * sizeof(real));
    value(&f);
    backward(&f);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs((double)(f.params.grad[i] - 2 * once[i])) <=
                    1e-13 * (1 + fabs((double)once[i])) * NET_GRAD_GROUPS);
    tear_down(&f);
}

/* The same bits from one worker that keeps all values, and from three that compute them again, twice in a row. */
static void test_threads_and_memory_do_not_matter(void **state)
{
    (void)state;
    struct fixture one, two;
    struct pool *pool = pool_open(3);
    build(&one, false, 0, NULL);
    build(&two, false, 1, pool);
    assert_int_equal(one.net.restored_stride, 0);
    assert_true(two.net.restored_stride > 0 && two.net.n_data < one.net.n_data);
    for (int i = 0; i < 2; i++) {
        value(&one);
        backward(&one);
        value(&two);
        backward(&two);
        assert_memory_equal(one.params.grad, two.params.grad, one.params.n_trainable * sizeof(real));
    }
    tear_down(&one);
    tear_down(&two);
    pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_parameter),
        cmocka_unit_test(test_every_parameter_direct),
        cmocka_unit_test(test_accumulates),
        cmocka_unit_test(test_threads_and_memory_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
