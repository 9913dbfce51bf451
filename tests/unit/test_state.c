/* Checkpoints: what is written comes back exactly; what is damaged or foreign is refused and changes nothing. */
#include "../harness/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/rng.h"
#include "train/state.h"

#define EPOCHS 5

struct fixture {
    struct arena arena;
    struct model model;
    struct train_state s;
    char dir[64], path[96];
};

static void fill(real *p, size_t n, unsigned index)
{
    struct rng r = rng_at(3, RNG_TEST, 1, index);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_range(&r, -1, 1);
}

static void build(struct fixture *f)
{
    struct error e = {0};
    struct spec spec;
    static const char *const names[] = {"a", "b"};
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/retrain-state-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/checkpoint.bin", f->dir);
    assert_true(spec_build('n', 2, &spec, &e));
    model_make(&spec, names, 64, true, &f->arena, &f->model);
    struct param_set *p = &f->model.params;
    f->s.rows = ARENA_NEW(&f->arena, struct epoch_row, EPOCHS);
    f->s.best = ARENA_NEW(&f->arena, real, p->n_total);
    fill(p->data, p->n_total, 0);
    fill(p->ema, p->n_total, 1);
    fill(p->grad, p->n_trainable, 2);
    fill(p->moment1, p->n_trainable, 3);
    fill(p->moment2, p->n_trainable, 4);
    fill(f->s.best, p->n_total, 5);
    f->s.epoch = 2;
    f->s.batch = 7;
    f->s.iteration = 1234;
    f->s.last_step = 1230;
    f->s.updates = 400;
    f->s.loss_sums[0] = 1.0 / 3;
    f->s.loss_sums[2] = 1e-300;
    f->s.seconds = 0.1;
    f->s.best_fitness = 0.7;
    f->s.best_epoch = 1;
    f->s.jobs = 3;
    f->s.epochs = EPOCHS;
    f->s.n_rows = 2;
    f->s.rows[0] =
        (struct epoch_row){.epoch = 1, .box_loss = 0.1f, .has_metrics = true, .map50 = 1.0f / 3, .seconds = 12.5};
    f->s.rows[1] = (struct epoch_row){.epoch = 2, .cls_loss = 1e-20f};
}

static void tear_down(struct fixture *f)
{
    struct error e = {0};
    assert_true(fs_remove_tree(f->dir, &e));
    arena_free(&f->arena);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fixture f;
    struct error e = {0};
    bool found = false;
    build(&f);
    struct param_set *p = &f.model.params;
    if (!state_save(f.path, "v1", &f.s, p, &e))
        fail_msg("%s", e.message);
    struct train_state was = f.s;
    real *data = ARENA_NEW(&f.arena, real, p->n_total);
    memcpy(data, p->data, p->n_total * sizeof *data);
    memset(p->data, 0, p->n_total * sizeof *data);
    struct epoch_row rows[EPOCHS];
    memcpy(rows, f.s.rows, sizeof rows);
    memset(f.s.rows, 0, sizeof rows);
    f.s = (struct train_state){.rows = was.rows, .best = was.best};
    if (!state_load(f.path, "v1", &f.s, p, EPOCHS, &found, &e))
        fail_msg("%s", e.message);
    assert_true(found);
    assert_memory_equal(p->data, data, p->n_total * sizeof *data);
    assert_memory_equal(&f.s, &was, sizeof was);
    for (int i = 0; i < 2; i++)
        assert_true(f.s.rows[i].epoch == rows[i].epoch && f.s.rows[i].map50 == rows[i].map50 &&
                    f.s.rows[i].cls_loss == rows[i].cls_loss && f.s.rows[i].has_metrics == rows[i].has_metrics);
    tear_down(&f);
}

static void test_absent(void **state)
{
    (void)state;
    struct fixture f;
    struct error e = {0};
    bool found = true;
    build(&f);
    assert_true(state_load(f.path, "v1", &f.s, &f.model.params, EPOCHS, &found, &e));
    assert_false(found);
    tear_down(&f);
}

/* Every way of being wrong is refused with ERR_DATA, and the weights in memory stay. */
static void expect_refused(struct fixture *f, const char *identity, int max_rows)
{
    struct error e = {0};
    bool found;
    real first = f->model.params.data[0];
    struct train_state was = f->s;
    assert_false(state_load(f->path, identity, &f->s, &f->model.params, max_rows, &found, &e));
    assert_int_equal(e.code, ERR_DATA);
    assert_true(f->model.params.data[0] == first);
    assert_memory_equal(&was, &f->s, sizeof was);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct error e = {0};
    struct str bytes;
    build(&f);
    assert_true(state_save(f.path, "v1", &f.s, &f.model.params, &e));
    expect_refused(&f, "v2", EPOCHS);
    expect_refused(&f, "v1", 1);
    assert_true(fs_read_file(f.path, 1u << 30, &f.arena, &bytes, &e));
    size_t spots[] = {0, 9, 200, bytes.n / 2, bytes.n - 1};
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        char *bad = str_dup(&f.arena, bytes);
        bad[spots[i]] = (char)(bad[spots[i]] ^ 4);
        assert_true(fs_write_atomic(f.path, (struct str){bad, bytes.n}, &e));
        expect_refused(&f, "v1", EPOCHS);
    }
    assert_true(fs_write_atomic(f.path, (struct str){bytes.p, bytes.n / 2}, &e));
    expect_refused(&f, "v1", EPOCHS);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
