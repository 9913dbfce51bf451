/* The lease on training a version: who gets it, how it ends, and that nobody loses what is theirs. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder_store.h"

#include "core/stop.h"
#include "store/backend.h"
#include "store/training_lease.h"

#define VERSION "3f9ac1d27b04-5be1c0aa"
#define KEY "checkpoints/" VERSION "/training.json"
#define N_TAKERS 8

static const struct training_lease_about about = {"github", "https://github.com/o/r/actions/runs/1", NULL};

static int tear_down(void **state)
{
    stop_request(0);
    return tear_down_store(state);
}

static bool take(struct training_lease *l, char text[768])
{
    bool taken;
    check(training_lease_take(store, VERSION, &about, TRAINING_LEASE_SECONDS, l, &taken, text, &err));
    return taken;
}

static bool renew(struct training_lease *l)
{
    bool held;
    check(training_lease_renew(store, l, &held, &err));
    return held;
}

/* As if the object had been written so long ago. */
static void age_by(double seconds)
{
    const char *path = fs_join(&arena, folder, "m/" KEY);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec - (time_t)seconds, st.st_mtim.tv_nsec}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static double age(enum store_found *found)
{
    double age_s;
    char etag[128];
    check(store_age(store, KEY, found, &age_s, etag, &err));
    assert_int_equal(*found == STORE_PRESENT, etag[0] != 0);
    return age_s;
}

static struct str content(void)
{
    enum store_found found;
    struct str out;
    check(store_get(store, KEY, 4096, &arena, &found, &out, NULL, &err));
    assert_int_equal(found, STORE_PRESENT);
    return out;
}

static void test_age(void **state)
{
    (void)state;
    enum store_found found;
    bool written;
    age(&found);
    assert_int_equal(found, STORE_ABSENT);
    check(store_put(store, KEY, STR_LIT("x"), NULL, STORE_ALWAYS, NULL, &written, &err));
    double young = age(&found);
    assert_int_equal(found, STORE_PRESENT);
    assert_true(young >= 0 && young < 100);
    age_by(1000);
    assert_true(age(&found) >= 1000 && age(&found) < 1200);
    age_by(-5000); /* in the future: another machine wrote the time */
    assert_true(age(&found) >= 0);

    const char **keys;
    size_t n;
    char *path = fs_join(&arena, folder, "m/checkpoints/" VERSION);
    check(store_list(store, "", 100, &arena, &keys, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(rmdir(path), -1);
    check(store_delete(store, KEY, &err));
    assert_false(fs_exists(path)); /* asking for the time has left nothing there */
}

static void test_take_and_release(void **state)
{
    (void)state;
    struct training_lease a, b;
    char text[768];
    enum store_found found;
    assert_true(take(&a, text));
    assert_string_equal(text, "");
    assert_false(take(&b, text));
    assert_string_equal(b.holder, "");
    assert_non_null(strstr(text, "https://github.com/o/r/actions/runs/1 (github) since 20"));
    assert_true(b.other_left_s > 0 && b.other_left_s <= TRAINING_LEASE_SECONDS);
    training_lease_release(store, &b); /* holds nothing: removes nothing */
    struct str before = content();
    assert_true(renew(&a));
    assert_false(str_eq(before, content())); /* a renewal has other bytes: else its etag would stay, and a taker's condition hold */
    training_lease_release(store, &a);
    age(&found);
    assert_int_equal(found, STORE_ABSENT);
    assert_false(renew(&a));
    training_lease_release(store, &a);
    assert_true(take(&b, text));
}

static void test_crashed_holder(void **state)
{
    (void)state;
    struct training_lease a, b;
    char text[768];
    assert_true(take(&a, text));
    age_by(TRAINING_LEASE_SECONDS - 60);
    assert_false(take(&b, text));
    age_by(120);
    assert_true(take(&b, text));

    /* The first was only suspended: it finds out, and takes nothing from the second. */
    struct training_lease copy = a;
    assert_false(renew(&a));
    assert_string_equal(a.holder, "");
    training_lease_release(store, &copy);
    assert_true(renew(&b));
}

/* It comes back before anybody took over: then it is still its own. */
static void test_late_renewal(void **state)
{
    (void)state;
    struct training_lease a, b;
    char text[768];
    assert_true(take(&a, text));
    age_by(10 * TRAINING_LEASE_SECONDS);
    assert_true(renew(&a));
    assert_false(take(&b, text));
}

static void test_removed(void **state)
{
    (void)state;
    struct training_lease a;
    char text[768];
    assert_true(take(&a, text));
    check(store_delete(store, KEY, &err));
    assert_false(renew(&a));
}

/* Damaged or foreign: respected until it is old, whatever it says. */
static void test_damaged(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{", "[]", "{\"holder\": 7}", "{\"holder\": \"\", \"run_url\": \"\\n::set-output\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct training_lease a;
        char text[768];
        bool written;
        check(store_put(store, KEY, str_of(texts[i]), NULL, STORE_ALWAYS, NULL, &written, &err));
        assert_false(take(&a, text));
        assert_true(text[0]);
        age_by(2 * TRAINING_LEASE_SECONDS);
        assert_true(take(&a, text));
        training_lease_release(store, &a);
    }
}

/* Processes that take at the same moment: over nothing, over an expired one, and where conditions do not hold. */
static void take_at_once(bool is_best_effort)
{
    pid_t children[N_TAKERS];
    int gate[2], n_taken = 0;
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < N_TAKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct store *s = open_store();
            struct training_lease l;
            char text[768], byte;
            bool taken = false;
            s->guarantee = is_best_effort ? STORE_BEST_EFFORT : STORE_ATOMIC;
            close(gate[1]);
            if (read(gate[0], &byte, 1))
                _exit(2);
            _exit(!training_lease_take(s, VERSION, &about, TRAINING_LEASE_SECONDS, &l, &taken, text, &err) ? 2 : taken);
        }
    }
    close(gate[0]);
    close(gate[1]); /* all of them go */
    for (int i = 0; i < N_TAKERS; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        n_taken += WEXITSTATUS(status);
    }
    assert_int_equal(n_taken, 1);
}

static void test_takers_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        take_at_once(i);
        age_by(2 * TRAINING_LEASE_SECONDS);
        take_at_once(i);
        check(store_delete(store, KEY, &err));
    }
}

/* Only that very job is known to be dead. */
static void test_predecessor(void **state)
{
    (void)state;
    struct training_lease first, second;
    struct training_lease_about heir = about;
    char text[768];
    bool taken, held;
    assert_true(take(&first, text));
    heir.predecessor = "somebody else";
    check(training_lease_take(store, VERSION, &heir, TRAINING_LEASE_SECONDS, &second, &taken, text, &err));
    assert_false(taken);
    heir.predecessor = first.holder;
    check(training_lease_take(store, VERSION, &heir, TRAINING_LEASE_SECONDS, &second, &taken, text, &err));
    assert_true(taken);
    assert_true(renew(&second));
    check(training_lease_renew(store, &first, &held, &err));
    assert_false(held);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_store, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_age),          TEST(test_take_and_release), TEST(test_crashed_holder),
                                       TEST(test_late_renewal), TEST(test_removed),          TEST(test_damaged),
                                       TEST(test_takers_at_once),
                                       TEST(test_predecessor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
