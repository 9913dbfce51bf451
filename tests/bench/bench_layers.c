/* Where a training step spends its time: every operation of the network, forward and backward, with the arithmetic it
 * stands for (2 per multiply-add of the direct convolution, so that Winograd may exceed the peak), its rate, its share, and
 * how much would be gained if it ran at the rate given as the floor.
 *     bench_layers [kernels [image-size [threads [scale [GFLOP/s]]]]] */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/rng.h"
#include "detector/detector.h"
#include "nn/ops.h"

#define BATCH 16
#define CLASSES 3
#define RUNS 7

enum pass { FORWARD, BACKWARD, N_PASSES };

struct bench {
    struct arena arena;
    struct kernels k;
    struct pool *pool;
    struct model model;
    struct detector d;
    const uint8_t *images[BATCH];
    double *seconds[N_PASSES][RUNS]; /* [n_ops] */
};

static void run_op(struct bench *b, struct op *op, enum pass pass)
{
    static void (*const run[][N_PASSES])(struct net *, struct op *, int) = {
        [OP_CONV_BN_SILU] = {block_forward, block_backward},
        [OP_CONV_BIAS] = {biased_forward, biased_backward},
        [OP_MAXPOOL] = {maxpool_forward, maxpool_backward},
        [OP_UPSAMPLE] = {upsample_forward, upsample_backward},
    };
    run[op->kind][pass](&b->d.net, op, BATCH);
}

static void measure(struct bench *b, int run)
{
    struct net *net = &b->d.net;
    for (int pass = FORWARD; pass < N_PASSES; pass++)
        for (int i = 0; i < net->n_ops; i++) {
            int at = pass == FORWARD ? i : net->n_ops - 1 - i;
            double start = clock_seconds();
            run_op(b, &net->ops[at], pass);
            b->seconds[pass][run][at] = clock_seconds() - start;
        }
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct bench *b, enum pass pass, int op)
{
    double all[RUNS];
    for (int r = 0; r < RUNS; r++)
        all[r] = b->seconds[pass][r][op];
    qsort(all, RUNS, sizeof *all, rising);
    return all[RUNS / 2];
}

/* Of one pass over the batch; the input has no gradient. */
static double flops(const struct bench *b, const struct op *op, enum pass pass)
{
    if (op->kind != OP_CONV_BN_SILU && op->kind != OP_CONV_BIAS)
        return 0;
    const struct conv *c = &op->conv;
    double one = 2.0 * BATCH * (double)conv_weights(c) * c->oh * c->ow;
    return pass == FORWARD ? one : b->d.net.tensors[op->in].grad ? 2 * one : one;
}

static void describe(const struct op *op, const struct net *net, char *out, size_t size)
{
    static const char *const kinds[] = {"conv", "conv+bias", "max pool", "upsample"};
    const struct tensor *t = &net->tensors[op->out];
    if (op->kind == OP_MAXPOOL || op->kind == OP_UPSAMPLE)
        snprintf(out, size, "%s %d of %dx%d", kinds[op->kind], t->c, t->h, t->w);
    else
        snprintf(out, size, "%.24s %dx%d/%d %d->%d %dx%d%s", op->weight->name, op->conv.k, op->conv.k, op->conv.stride, op->conv.ci,
                 op->conv.co, t->h, t->w, op->conv.is_winograd ? " w" : "");
}

static void print(struct bench *b, double floor_rate)
{
    double total = 0, all_flops = 0;
    struct net *net = &b->d.net;
    for (int pass = FORWARD; pass < N_PASSES; pass++)
        for (int i = 0; i < net->n_ops; i++)
            total += median(b, pass, i), all_flops += flops(b, &net->ops[i], pass);
    printf("%-52s %8s %9s %7s %9s\n", "operation (w = Winograd)", "ms", "GFLOP/s", "share", "to gain");
    for (int i = 0; i < net->n_ops; i++)
        for (int pass = FORWARD; pass < N_PASSES; pass++) {
            char name[80];
            double s = median(b, pass, i), f = flops(b, &net->ops[i], pass), least = f / floor_rate;
            describe(&net->ops[i], net, name, sizeof name);
            printf("%c %-50s %8.2f %9.0f %6.1f%% %7.1f%%\n", pass == FORWARD ? 'f' : 'b', name, 1e3 * s, f / s * 1e-9,
                   100 * s / total, s > least ? 100 * (s - least) / total : 0);
        }
    printf("whole network: %.1f ms, %.0f GFLOP/s, %.1f images/s without loss, update and images\n", 1e3 * total,
           all_flops / total * 1e-9, BATCH / total);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct error e = {0};
    struct spec spec;
    static const char *const names[CLASSES] = {"a", "b", "c"};
    int size = argc > 2 ? atoi(argv[2]) : 320, threads = argc > 3 ? atoi(argv[3]) : 2;
    double floor_rate = (argc > 5 ? atof(argv[5]) : 200) * 1e9;
    if (!kernels_select(argc > 1 ? argv[1] : "auto", &b.k, &e) ||
        !spec_build(argc > 4 ? argv[4][0] : 'n', CLASSES, &spec, &e)) {
        fprintf(stderr, "bench_layers: %s\n", e.message);
        return 2;
    }
    b.pool = pool_open(threads);
    model_make(&spec, names, size, true, &b.arena, &b.model);
    model_init(&b.model, 0);
    detector_build(&b.d, &spec, &b.model.params, &b.k, b.pool, size, size);
    net_plan(&b.d.net, BATCH, true, &b.arena);
    struct net *net = &b.d.net;
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < net->n_data; i++)
        net->data[i] = rng_unit(&r);
    size_t image_bytes = (size_t)(3 * size * size);
    uint8_t *image = ARENA_NEW(&b.arena, uint8_t, image_bytes);
    for (size_t i = 0; i < image_bytes; i++)
        image[i] = (uint8_t)rng_below(&r, 256);
    for (int i = 0; i < BATCH; i++)
        b.images[i] = image;
    net_use_images(net, b.images);
    net_use_weights(net, b.model.params.data);
    for (int i = 0; i < RUNS; i++)
        for (int pass = FORWARD; pass < N_PASSES; pass++)
            b.seconds[pass][i] = ARENA_NEW(&b.arena, double, (size_t)net->n_ops);
    measure(&b, 0); /* touches all memory */
    for (int i = 0; i < RUNS; i++)
        measure(&b, i);
    printf("%s, %s kernels, %d threads, YOLOv8%c, batch %d, %d px\n", cpu_name(), b.k.name, threads, spec.scale, BATCH, size);
    print(&b, floor_rate);
    detector_free(&b.d);
    pool_close(b.pool);
    arena_free(&b.arena);
    return 0;
}
