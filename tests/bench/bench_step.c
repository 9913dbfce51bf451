/* Time of one training step (forward, loss, backward, update) on random images: median and spread of nine, after two
 * that are not counted.  bench_step [kernels [image-size [threads [scale]]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/rng.h"
#include "detector/loss.h"
#include "nn/optim.h"

#define BATCH 16
#define CLASSES 3
#define BOXES 12
#define WARMUP 2
#define RUNS 9

enum part { FORWARD, LOSS, BACKWARD, UPDATE, WHOLE, N_PARTS };

struct bench {
    struct arena arena;
    struct kernels k;
    struct pool *pool;
    struct model model;
    struct detector d;
    struct loss *loss;
    const uint8_t *images[BATCH];
    struct label labels[BATCH][BOXES];
    const struct label *label_rows[BATCH];
    int n_labels[BATCH];
    double seconds[N_PARTS][WARMUP + RUNS];
};

static void fill(struct bench *b)
{
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    size_t n = (size_t)(3 * b->d.h * b->d.w);
    for (int i = 0; i < BATCH; i++) {
        uint8_t *image = ARENA_NEW(&b->arena, uint8_t, n);
        for (size_t j = 0; j < n; j++)
            image[j] = (uint8_t)rng_below(&r, 256);
        b->images[i] = image;
        for (int j = 0; j < BOXES; j++)
            b->labels[i][j] =
                (struct label){(int)rng_below(&r, CLASSES), rng_range(&r, 0.2f, 0.8f), rng_range(&r, 0.2f, 0.8f),
                               rng_range(&r, 0.05f, 0.3f), rng_range(&r, 0.05f, 0.3f)};
        b->label_rows[i] = b->labels[i];
        b->n_labels[i] = BOXES;
    }
    net_use_images(&b->d.net, b->images);
    net_use_weights(&b->d.net, b->model.params.data);
}

static void step(struct bench *b, int i)
{
    struct param_set *p = &b->model.params;
    struct loss_result r;
    struct optim_step s = {
        .kind = OPTIMIZER_ADAMW, .lr = 1e-3, .bias_lr = 1e-3, .momentum = 0.9, .max_grad_norm = 10, .step = i + 1};
    double t[5];
    t[0] = clock_seconds();
    net_forward(&b->d.net, BATCH);
    t[1] = clock_seconds();
    loss_assign(b->loss, b->label_rows, b->n_labels, BATCH);
    loss_gradients(b->loss, BATCH, &r);
    t[2] = clock_seconds();
    net_backward(&b->d.net, BATCH);
    net_update_running(&b->d.net);
    t[3] = clock_seconds();
    optim_update(&b->k, b->pool, p, &s);
    memset(p->grad, 0, p->n_trainable * sizeof *p->grad);
    optim_ema(&b->k, b->pool, p, 0.9);
    t[4] = clock_seconds();
    for (int part = 0; part < WHOLE; part++)
        b->seconds[part][i] = t[part + 1] - t[part];
    b->seconds[WHOLE][i] = t[4] - t[0];
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(struct bench *b)
{
    static const char *const names[N_PARTS] = {"forward", "loss", "backward", "update", "step"};
    for (int part = 0; part < N_PARTS; part++) {
        double *s = b->seconds[part] + WARMUP;
        qsort(s, RUNS, sizeof *s, rising);
        printf("  %-9s median %7.1f ms  (%.1f to %.1f)", names[part], 1e3 * s[RUNS / 2], 1e3 * s[0], 1e3 * s[RUNS - 1]);
        if (part == WHOLE)
            printf("  %.1f images/s", BATCH / s[RUNS / 2]);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    static const char *const names[CLASSES] = {"a", "b", "c"};
    static struct bench b;
    struct error e = {0};
    struct spec spec;
    int size = argc > 2 ? atoi(argv[2]) : 320, threads = argc > 3 ? atoi(argv[3]) : cpu_count();
    if (!kernels_select(argc > 1 ? argv[1] : "auto", &b.k, &e) ||
        !spec_build(argc > 4 ? argv[4][0] : 'n', CLASSES, &spec, &e)) {
        fprintf(stderr, "bench_step: %s\n", e.message);
        return 2;
    }
    b.pool = pool_open(threads);
    model_make(&spec, names, size, true, &b.arena, &b.model);
    model_init(&b.model, 0);
    detector_build(&b.d, &spec, &b.model.params, &b.k, b.pool, size, size);
    net_plan(&b.d.net, BATCH, true, &b.arena);
    b.loss = loss_open(&b.d, &b.arena);
    fill(&b);
    printf("%s, %s kernels, %d threads, YOLOv8%c, batch %d, %d px, %zu MB planned\n", cpu_name(), b.k.name, threads,
           spec.scale, BATCH, size, net_bytes(&b.d.net) >> 20);
    for (int i = 0; i < WARMUP + RUNS; i++)
        step(&b, i);
    print(&b);
    loss_close(b.loss);
    detector_free(&b.d);
    pool_close(b.pool);
    arena_free(&b.arena);
    return 0;
}
