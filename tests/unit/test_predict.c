/* A predictor in the memory of the net that trains: neither finds anything of what the other left there. */
#include "unit.h"

#include <string.h>

#include "core/rng.h"
#include "detector/loss.h"
#include "detector/predict.h"

#define SIZE 96
#define BATCH 3
#define LARGE_BATCH 24 /* planned: as much memory as the predictor's packed weights need */
#define CLASSES 3
#define MOST 30

static const char *const NAMES[CLASSES] = {"a", "b", "c"};
static const struct label LABELS[] = {{0, 0.4f, 0.45f, 0.5f, 0.6f}, {2, 0.7f, 0.65f, 0.3f, 0.35f}};

struct fixture {
    struct arena arena;
    struct kernels k;
    struct pool *pool;
    struct model model;
    struct detector training;
    struct loss *loss;
    uint8_t pixels[BATCH][SIZE * SIZE * 3];
    const uint8_t *images[BATCH];
    const struct label *labels[BATCH];
    int n_labels[BATCH];
};

static void set_up(struct fixture *f, int batch, size_t keep_bytes)
{
    struct error e = {0};
    struct spec spec;
    struct rng r = rng_at(7, RNG_TEST, 0, 0);
    memset(f, 0, sizeof *f);
    assert_true(kernels_select("auto", &f->k, &e) && spec_build('n', CLASSES, &spec, &e));
    f->pool = pool_open(2);
    model_make(&spec, NAMES, SIZE, true, &f->arena, &f->model);
    model_init(&f->model, 1);
    detector_build(&f->training, &f->model.spec, &f->model.params, &f->k, f->pool, SIZE, SIZE);
    f->training.net.keep_bytes = keep_bytes;
    net_plan(&f->training.net, batch, true, &f->arena);
    net_use_weights(&f->training.net, f->model.params.data);
    f->loss = loss_open(&f->training, &f->arena);
    for (int i = 0; i < BATCH; i++) {
        for (size_t j = 0; j < sizeof f->pixels[i]; j++)
            f->pixels[i][j] = (uint8_t)rng_below(&r, 256);
        f->images[i] = f->pixels[i];
        f->labels[i] = LABELS;
        f->n_labels[i] = i % (int)COUNT(LABELS) + 1;
    }
}

static void tear_down(struct fixture *f)
{
    loss_close(f->loss);
    detector_free(&f->training);
    pool_close(f->pool);
    arena_free(&f->arena);
}

static void spoil(const struct fixture *f)
{
    memset(f->training.net.data, 0xff, f->training.net.n_data * sizeof(real)); /* NaN */
}

static void detect(const struct fixture *f, struct predictor *p, struct detection found[BATCH][MOST], int n_found[BATCH])
{
    struct nms_options o = {.min_score = 1e-9f, .max_iou = 0.7f, .multi_label = true, .max_candidates = 300, .max_detections = MOST};
    struct detection *rows[BATCH] = {found[0], found[1], found[2]};
    memset(found, 0, sizeof(struct detection) * BATCH * MOST);
    predictor_use_weights(p, f->model.params.ema);
    assert_true(predictor_run(p, f->images, BATCH, &o, rows, n_found));
}

static void a_lodger_finds_the_same(void **state)
{
    (void)state;
    static struct fixture f;
    set_up(&f, LARGE_BATCH, 0);
    static struct detection own[BATCH][MOST], lent[BATCH][MOST];
    int n_own[BATCH], n_lent[BATCH];
    struct predictor alone, lodger;
    predictor_open(&alone, &f.model, &f.k, f.pool, BATCH);
    predictor_open_in(&lodger, &f.model, &f.k, f.pool, BATCH, &f.training.net);
    assert_true(net_bytes(&alone.d.net) > 0);
    assert_int_equal(net_bytes(&lodger.d.net), 0);
    assert_ptr_equal(lodger.d.net.data, f.training.net.data);
    static const int shapes[][2] = {{SIZE, SIZE}, {64, 96}, {SIZE, SIZE}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        spoil(&f);
        predictor_reshape(&alone, shapes[i][0], shapes[i][1]);
        predictor_reshape(&lodger, shapes[i][0], shapes[i][1]);
        detect(&f, &alone, own, n_own);
        detect(&f, &lodger, lent, n_lent);
        assert_int_equal(n_own[0], MOST);
        assert_memory_equal(n_own, n_lent, sizeof n_own);
        assert_memory_equal(own, lent, sizeof own);
    }
    predictor_close(&alone);
    predictor_close(&lodger);
    tear_down(&f);
}

static void step(struct fixture *f, real *grad)
{
    struct loss_result r;
    struct param_set *p = &f->model.params;
    memset(p->grad, 0, p->n_trainable * sizeof(real));
    net_use_images(&f->training.net, f->images);
    assert_true(net_forward(&f->training.net, BATCH));
    loss_assign(f->loss, f->labels, f->n_labels, BATCH);
    loss_gradients(f->loss, BATCH, &r);
    assert_true(r.n_targets > 0 && net_backward(&f->training.net, BATCH));
    memcpy(grad, p->grad, p->n_trainable * sizeof(real));
}

/* Once with all values kept, once with most of them computed again. */
static void training_goes_on_as_if_alone(void **state)
{
    (void)state;
    for (size_t keep_bytes = 0; keep_bytes < 2; keep_bytes++) {
        static struct fixture f;
        set_up(&f, LARGE_BATCH, keep_bytes);
        static struct detection found[BATCH][MOST];
        int n_found[BATCH];
        size_t n = f.model.params.n_trainable;
        real *first = ARENA_NEW(&f.arena, real, n), *later = ARENA_NEW(&f.arena, real, n);
        struct predictor p;
        step(&f, first);
        predictor_open_in(&p, &f.model, &f.k, f.pool, BATCH, &f.training.net);
        assert_ptr_equal(p.d.net.data, f.training.net.data);
        detect(&f, &p, found, n_found);
        step(&f, later);
        assert_memory_equal(first, later, n * sizeof(real));
        spoil(&f);
        step(&f, later);
        assert_memory_equal(first, later, n * sizeof(real));
        predictor_close(&p);
        tear_down(&f);
    }
}

static void what_does_not_fit_has_its_own(void **state)
{
    (void)state;
    static struct fixture f;
    set_up(&f, 4, 0);
    struct predictor p;
    predictor_open_in(&p, &f.model, &f.k, f.pool, 2, &f.training.net);
    assert_ptr_equal(p.d.net.data, f.training.net.data); /* but not the packed weights */
    assert_in_range(net_bytes(&p.d.net), p.d.net.n_packed * sizeof(real), p.d.net.n_packed * sizeof(real) + 1);
    predictor_close(&p);
    predictor_open_in(&p, &f.model, &f.k, f.pool, 64, &f.training.net);
    assert_true(p.d.net.n_data > f.training.net.n_data && p.d.net.data != f.training.net.data);
    predictor_close(&p);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lodger_finds_the_same),
        cmocka_unit_test(training_goes_on_as_if_alone),
        cmocka_unit_test(what_does_not_fit_has_its_own),
    };
    return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
