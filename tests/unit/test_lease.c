/* The lease: one process at a time on a store that only writes, lists and deletes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder_store.h"

#include "core/clock.h"
#include "store/backend.h"
#include "store/lease.h"

#define NEVER_STALE_S 600.0

static size_t n_flags(void)
{
    const char **keys;
    size_t n;
    check(store_list(store, "locks/", 100, &arena, &keys, &n, &err));
    return n;
}

static void raise_foreign(const char *key)
{
    bool written;
    check(store_put(store, key, STR_LIT("x"), NULL, STORE_ALWAYS, NULL, &written, &err));
}

static void test_take_and_release(void **state)
{
    (void)state;
    struct lease l;
    check(lease_take(store, &l, NEVER_STALE_S, &err));
    assert_int_equal(n_flags(), 1);
    lease_release(store, &l);
    lease_release(store, &l);
    assert_int_equal(n_flags(), 0);
}

/* A killed holder's flag, of higher or of lower rank than ours, is removed when it was seen for long enough; flags that
 * are none of ours do no harm. */
static void test_stale(void **state)
{
    (void)state;
    static const char *const keys[] = {"locks/0000000000000000-0", "locks/ffffffffffffffff-7", "locks/x"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct lease l;
        raise_foreign(keys[i]);
        double start = clock_seconds();
        check(lease_take(store, &l, 0.4, &err));
        assert_true(clock_seconds() - start >= 0.4);
        assert_int_equal(n_flags(), 1);
        lease_release(store, &l);
    }
}

static void test_keep(void **state)
{
    (void)state;
    struct lease l;
    bool held;
    check(lease_take(store, &l, NEVER_STALE_S, &err));
    char first[sizeof l.key];
    snprintf(first, sizeof first, "%s", l.key);
    check(lease_keep(store, &l, NEVER_STALE_S, &held, &err));
    assert_true(held);
    assert_string_equal(l.key, first); /* it is young */

    l.since -= NEVER_STALE_S / 3; /* a third of the time has passed: a new flag, so that nobody takes us for dead */
    check(lease_keep(store, &l, NEVER_STALE_S, &held, &err));
    assert_true(held);
    assert_string_not_equal(l.key, first);
    assert_int_equal(n_flags(), 1);

    l.since -= NEVER_STALE_S * 2 / 3; /* too late */
    check(lease_keep(store, &l, NEVER_STALE_S, &held, &err));
    assert_false(held);
    lease_release(store, &l);
    assert_int_equal(n_flags(), 0);
}

/* Six processes add to a number that they read and write without any other care; one of them is killed in between. */
#define N_PROCESSES 6
#define N_ROUNDS 10

static bool add_one(struct store *s, bool die)
{
    struct arena a = {0};
    struct lease l;
    enum store_found found;
    struct str now;
    bool written;

    if (!lease_take(s, &l, NEVER_STALE_S, &err))
        return false;
    bool ok = store_get(s, "number", 100, &a, &found, &now, NULL, &err);
    long number = ok && found ? strtol(now.p, NULL, 10) : 0;
    if (die && store_put(s, "died", str_of(l.key), NULL, STORE_ALWAYS, NULL, &written, &err))
        raise(SIGKILL);
    ok = ok && store_put(s, "number", str_of(arena_printf(&a, "%ld", number + 1)), NULL, STORE_ALWAYS, NULL, &written, &err);
    lease_release(s, &l);
    arena_free(&a);
    return ok;
}

static void test_processes(void **state)
{
    (void)state;
    pid_t children[N_PROCESSES];
    for (int i = 0; i < N_PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct store *s = open_store();
            for (int k = 0; k < N_ROUNDS; k++) {
                if (!add_one(s, i == 0 && k == 3))
                    _exit(1);
            }
            store_close(s);
            _exit(0);
        }
    }
    int status;
    waitpid(children[0], &status, 0);
    assert_true(WIFSIGNALED(status));
    /* A machine may be so busy that the living look dead as well: we know better than any time whose flag it is. */
    struct str text;
    check(fs_read_file(fs_join(&arena, folder, "m/died"), 100, &arena, &text, &err));
    check(store_delete(store, text.p, &err));
    for (int i = 1; i < N_PROCESSES; i++) {
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    check(fs_read_file(fs_join(&arena, folder, "m/number"), 100, &arena, &text, &err));
    assert_int_equal(strtol(text.p, NULL, 10), (N_PROCESSES - 1) * N_ROUNDS + 3);
    assert_int_equal(n_flags(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_store, tear_down_store)
    const struct CMUnitTest tests[] = {TEST(test_take_and_release), TEST(test_stale), TEST(test_keep), TEST(test_processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
