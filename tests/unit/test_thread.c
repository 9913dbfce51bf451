#include <stdatomic.h>
#include <string.h>

#include "unit.h"

#include "core/thread.h"

#define N_ITEMS 1000

struct job {
    int done[N_ITEMS]; /* plain: each item owns its place */
    int worker[N_ITEMS];
    atomic_int n_running, most_running;
};

static void note(void *ctx, int item, int worker)
{
    struct job *j = ctx;
    int running = atomic_fetch_add(&j->n_running, 1) + 1, most = atomic_load(&j->most_running);
    while (running > most && !atomic_compare_exchange_weak(&j->most_running, &most, running))
        ;
    j->done[item]++;
    j->worker[item] = worker;
    atomic_fetch_sub(&j->n_running, 1);
}

static void every_item_runs_once(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    static const int counts[] = {0, 1, 2, 7, N_ITEMS};
    static struct job j;
    for (size_t t = 0; t < COUNT(threads); t++) {
        struct pool *p = pool_open(threads[t]);
        assert_int_equal(pool_size(p), threads[t]);
        for (int round = 0; round < 20; round++) {
            for (size_t c = 0; c < COUNT(counts); c++) {
                memset(&j, 0, sizeof j);
                pool_run(p, counts[c], note, &j);
                assert_int_equal(atomic_load(&j.n_running), 0);
                assert_true(atomic_load(&j.most_running) <= threads[t]);
                for (int i = 0; i < N_ITEMS; i++)
                    if (j.done[i] != (i < counts[c]) || j.worker[i] < 0 || j.worker[i] >= threads[t])
                        fail_msg("%d threads, %d items: item %d ran %d times by %d", threads[t], counts[c], i, j.done[i],
                                 j.worker[i]);
            }
        }
        pool_close(p);
    }
}

static void without_a_pool_the_caller_works_in_order(void **state)
{
    (void)state;
    static struct job j;
    pool_run(NULL, 10, note, &j);
    for (int i = 0; i < 10; i++)
        assert_true(j.done[i] == 1 && j.worker[i] == 0);
    assert_int_equal(pool_size(NULL), 1);
    pool_close(NULL);
}

/* Results of one run are visible to the next, whoever computes it: a chain that a missing barrier would break. */
static void chain(void *ctx, int item, int worker)
{
    int *values = ctx;
    (void)worker;
    values[64 + item] = values[(item * 7 + 1) % 64] + 1;
}

static void runs_are_barriers(void **state)
{
    (void)state;
    struct pool *p = pool_open(4);
    int values[128] = {0};
    for (int round = 1; round <= 2000; round++) {
        pool_run(p, 64, chain, values);
        memcpy(values, values + 64, 64 * sizeof *values);
        for (int i = 0; i < 64; i++)
            if (values[i] != round)
                fail_msg("round %d, item %d: %d", round, i, values[i]);
    }
    pool_close(p);
    for (int i = 0; i < 50; i++)
        pool_close(pool_open(1 + i % 5)); /* closing at once, before the workers slept */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_runs_once),
        cmocka_unit_test(without_a_pool_the_caller_works_in_order),
        cmocka_unit_test(runs_are_barriers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
