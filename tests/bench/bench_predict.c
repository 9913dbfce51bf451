/* Time of prediction on random images: pixels in, boxes and scores of every anchor out, median and spread of the runs.
 *  bench_predict MODEL.safetensors [batch [threads [kernels]]] */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/rng.h"
#include "detector/predict.h"
#include "export/model_file.h"

#define WARMUP 3
#define RUNS 15

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const uint8_t **random_images(int n, int size, struct arena *a)
{
    const uint8_t **images = ARENA_NEW(a, const uint8_t *, (size_t)n);
    size_t bytes = (size_t)(size * size * 3);
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (int i = 0; i < n; i++) {
        uint8_t *px = ARENA_NEW(a, uint8_t, bytes);
        for (size_t j = 0; j < bytes; j++)
            px[j] = (uint8_t)rng_below(&r, 256);
        images[i] = px;
    }
    return images;
}

int main(int argc, char **argv)
{
    struct arena a = {0};
    struct error e = {0};
    struct kernels k;
    struct model m;
    struct predictor p;
    struct nms_options none = {.min_score = 2, .max_iou = 0.7f, .max_candidates = 1, .max_detections = 1};
    int batch = argc > 2 ? atoi(argv[2]) : 16, threads = argc > 3 ? atoi(argv[3]) : cpu_count();
    if (argc < 2) {
        fprintf(stderr, "usage: bench_predict MODEL.safetensors [batch [threads [kernels]]]\n");
        return 2;
    }
    if (!kernels_select(argc > 4 ? argv[4] : "auto", &k, &e) || !model_load(argv[1], &a, &m, &e)) {
        fprintf(stderr, "bench_predict: %s\n", e.message);
        return 2;
    }
    struct pool *pool = pool_open(threads);
    predictor_open(&p, &m, &k, pool, batch);
    predictor_use_weights(&p, m.params.data);
    const uint8_t **images = random_images(batch, m.image_size, &a);
    struct detection *found = ARENA_NEW(&a, struct detection, (size_t)batch), **out = ARENA_NEW(&a, struct detection *, (size_t)batch);
    int *n_found = ARENA_NEW(&a, int, (size_t)batch);
    for (int i = 0; i < batch; i++)
        out[i] = found + i;
    double seconds[WARMUP + RUNS];
    for (int i = 0; i < WARMUP + RUNS; i++) {
        double from = clock_seconds();
        if (!predictor_run(&p, images, batch, &none, out, n_found))
            return 1;
        seconds[i] = clock_seconds() - from;
    }
    double *s = seconds + WARMUP;
    qsort(s, RUNS, sizeof *s, rising);
    printf("%s kernels, %d threads, YOLOv8%c, batch %d, %d px: median %.2f ms (%.2f to %.2f), %.1f images/s\n", k.name, threads,
           m.spec.scale, batch, m.image_size, 1e3 * s[RUNS / 2], 1e3 * s[0], 1e3 * s[RUNS - 1], batch / s[RUNS / 2]);
    predictor_close(&p);
    pool_close(pool);
    arena_free(&a);
    return 0;
}
