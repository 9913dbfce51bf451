#include "train/evaluate.h"

const struct nms_options EVALUATE_NMS = {
    .min_score = 0.001f, .max_iou = 0.7f, .multi_label = true, .max_candidates = 30000, .max_detections = 300};

int evaluate_batch(int image_size)
{
    int fit = 16 * 320 * 320 / (image_size * image_size);
    return fit < 1 ? 1 : fit > 16 ? 16 : fit;
}

static void add_image(struct map *map, const struct cache *images, int i, struct detection *found, int n_found)
{
    for (int j = 0; j < n_found; j++)
        found[j].box = letterbox_from_net(&images->fits[i], found[j].box);
    const struct sample *s = images->samples[i];
    struct truth *truths = mem_alloc(mem_mul((size_t)s->n_labels + 1, sizeof *truths));
    for (int j = 0; j < s->n_labels; j++)
        truths[j] = (struct truth){box_of_label(s->labels[j], (float)s->w, (float)s->h), s->labels[j].class_id};
    map_add_image(map, (float)s->w, (float)s->h, found, n_found, truths, s->n_labels);
    mem_free(truths);
}

/* How many images from `first` on share its input shape and fit into one batch. */
static int run_length(const struct cache *images, int first, int batch)
{
    const struct letterbox *fits = images->fits;
    int n = 1;
    while (n < batch && first + n < images->n && fits[first + n].net_w == fits[first].net_w &&
           fits[first + n].net_h == fits[first].net_h)
        n++;
    return n;
}

bool evaluate(struct predictor *p, const real *weights, const struct cache *images, const struct nms_options *o,
              struct arena *a, struct metrics out[MAP_RULES])
{
    struct arena work = {0};
    size_t batch = (size_t)p->batch;
    struct detection **found = ARENA_NEW(&work, struct detection *, batch);
    struct image *scratch = ARENA_NEW(&work, struct image, batch);
    const uint8_t **pixels = ARENA_NEW(&work, const uint8_t *, batch);
    int *n_found = ARENA_NEW(&work, int, batch);
    for (size_t i = 0; i < batch; i++)
        found[i] = ARENA_NEW(&work, struct detection, (size_t)o->max_detections);

    predictor_use_weights(p, weights);
    bool is_whole = true;
    struct map *map = map_open(p->d.spec->n_classes);
    for (int first = 0, n; first < images->n && is_whole; first += n) {
        n = run_length(images, first, p->batch);
        predictor_reshape(p, images->fits[first].net_h, images->fits[first].net_w);
        bool failed = false; /* a vanished file was reported by the cache's own check at the start: it counts as grey */
        for (int i = 0; i < n; i++)
            pixels[i] = cache_get(images, first + i, &scratch[i], &failed)->px;
        is_whole = predictor_run(p, pixels, n, o, found, n_found);
        for (int i = 0; i < n && is_whole; i++)
            add_image(map, images, first + i, found[i], n_found[i]);
    }
    for (int rule = 0; rule < MAP_RULES; rule++)
        map_compute(map, (enum map_rule)rule, a, &out[rule]);
    map_close(map);
    for (size_t i = 0; i < batch; i++)
        image_free(&scratch[i]);
    arena_free(&work);
    return is_whole;
}

double evaluate_fitness(const struct metrics *m)
{
    return 0.1 * m->map50 + 0.9 * m->map50_95;
}
