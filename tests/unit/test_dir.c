/* A folder as a store: what each operation promises, the lock, and eight processes at once. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "store/backend.h"
#include "store/dir_lock.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char folder[64];
static struct arena arena;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/retrain-test-dir-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return fs_remove_tree(folder, &err) ? 0 : -1;
}

static struct store *open_store(const char *url, const char *workspace)
{
    struct store_options o = {.url = url, .workspace = workspace};
    struct store *s = NULL;
    if (!store_open(&o, &s, &err))
        fail_msg("%s", err.message);
    return s;
}

static void check(bool ok)
{
    if (!ok)
        fail_msg("%s", err.message);
}

static void write_local(const char *name, const char *text)
{
    check(fs_write_atomic(fs_join(&arena, folder, name), str_of(text), &err));
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "models", "file://", "S3://b", "ftp://x", "https://", "https://h/x?y", "http://u:p@h/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_options o = {.url = bad[i], .workspace = folder};
        struct store *s = NULL;
        assert_false(store_open(&o, &s, &err));
        assert_null(s);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    struct store *s = open_store("file://a/b/", folder);
    char want[128];
    snprintf(want, sizeof want, "file://%s/a/b/latest.json", folder);
    assert_string_equal(store_object_url(s, "latest.json", &arena), want);
    assert_string_equal(store_url(s), "file://a/b/");
    assert_false(fs_exists(fs_join(&arena, folder, "a"))); /* opening writes nothing */
    store_close(s);

    s = open_store("file:///srv/x", folder);
    assert_string_equal(store_object_url(s, "k", &arena), "file:///srv/x/k");
    store_close(s);
}

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool is_valid;
    } cases[] = {
        {"latest.json", true}, {"versions/3f9ac1d27b04-5be1c0aa/model.onnx", true}, {"a_b/C-9.x", true},
        {"", false}, {"/a", false}, {"a/", false}, {"a//b", false}, {"..", false}, {"a/../b", false}, {".a", false},
        {"a/.b", false}, {"a b", false}, {"a\nb", false}, {"\xc3\xa9", false}, {"a\\b", false}, {"a%2fb", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (store_key_is_valid(cases[i].key) != cases[i].is_valid)
            fail_msg("key \"%s\"", cases[i].key);
    }
    char longest[STORE_KEY_BYTES + 2];
    memset(longest, 'k', sizeof longest);
    longest[STORE_KEY_BYTES + 1] = 0;
    assert_false(store_key_is_valid(longest));
    longest[STORE_KEY_BYTES] = 0;
    assert_true(store_key_is_valid(longest));

    struct store *s = open_store("file://m", folder);
    enum store_found found;
    struct str out;
    assert_false(store_get(s, "../etc/passwd", 100, &arena, &found, &out, NULL, &err));
    assert_int_equal(err.code, ERR_STORE);
    store_close(s);
}

static void test_put_get(void **state)
{
    (void)state;
    struct store *s = open_store("file://m", folder);
    enum store_found found;
    struct str out;
    char etag[128], old[128];
    bool written;
    uint64_t size;

    check(store_get(s, "a/b.json", 100, &arena, &found, &out, etag, &err));
    assert_int_equal(found, STORE_ABSENT);
    check(store_put(s, "a/b.json", STR_LIT("one"), NULL, STORE_IF_MATCH, "\"x\"", &written, &err));
    assert_false(written); /* nothing there to match */
    check(store_put(s, "a/b.json", STR_LIT("one"), NULL, STORE_IF_ABSENT, NULL, &written, &err));
    assert_true(written);
    check(store_put(s, "a/b.json", STR_LIT("two"), NULL, STORE_IF_ABSENT, NULL, &written, &err));
    assert_false(written);
    check(store_get(s, "a/b.json", 100, &arena, &found, &out, etag, &err));
    assert_int_equal(found, STORE_PRESENT);
    assert_true(str_is(out, "one"));
    check(store_put(s, "a/b.json", STR_LIT("three"), NULL, STORE_IF_MATCH, etag, &written, &err));
    assert_true(written);
    memcpy(old, etag, sizeof old);
    check(store_put(s, "a/b.json", STR_LIT("four"), NULL, STORE_IF_MATCH, old, &written, &err));
    assert_false(written);
    check(store_stat(s, "a/b.json", &found, &size, &err));
    assert_int_equal(found, STORE_PRESENT);
    assert_int_equal(size, 5);
    check(store_stat(s, "a", &found, &size, &err)); /* a folder is no object */
    assert_int_equal(found, STORE_ABSENT);
    assert_false(store_get(s, "a/b.json", 4, &arena, &found, &out, etag, &err)); /* the ceiling */
    assert_int_equal(err.code, ERR_STORE);
    check(store_delete(s, "a/b.json", &err));
    check(store_delete(s, "a/b.json", &err)); /* absent is success */
    assert_false(fs_exists(fs_join(&arena, folder, "m/a")));
    store_close(s);
}

/* `f` was read before its file got other bytes. */
static void check_changed(struct store *s, const struct store_file *f)
{
    uint8_t sum[32];
    enum store_found found;
    bool written;
    const char **keys;
    size_t n;

    assert_false(store_put_new_file(s, "v/c/new", f, &written, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.message, "from changed while it was being uploaded"));
    assert_false(store_put_file(s, "v/model.onnx", f, &err));
    check(store_digest(s, "v/model.onnx", &found, sum, &err)); /* still the old one */
    assert_memory_equal(sum, f->sha256, 32);
    check(store_list(s, "v/", 100, &arena, &keys, &n, &err));
    assert_int_equal(n, 1);
}

static void test_files(void **state)
{
    (void)state;
    struct store *s = open_store("file://m", folder);
    const char *from = fs_join(&arena, folder, "from"), *to = fs_join(&arena, folder, "to");
    uint8_t sum[32], other[32] = {0}, found_sum[32];
    enum store_found found;
    struct store_file file;
    struct str got;
    bool written;

    write_local("from", "weights");
    sha256_of("weights", 7, sum);
    check(store_file_read(from, NULL, &file, &err));
    assert_int_equal(file.size_bytes, 7);
    check(store_put_file(s, "v/model.onnx", &file, &err));
    check(store_digest(s, "v/model.onnx", &found, found_sum, &err));
    assert_int_equal(found, STORE_PRESENT);
    assert_memory_equal(found_sum, sum, 32);
    check(store_get_file(s, "v/model.onnx", to, sum, &err));
    check(fs_read_file(to, 100, &arena, &got, &err));
    assert_true(str_is(got, "weights"));

    /* A wrong hash leaves the old file as it was. */
    write_local("to", "old");
    assert_false(store_get_file(s, "v/model.onnx", to, other, &err));
    assert_int_equal(err.code, ERR_STORE);
    check(fs_read_file(to, 100, &arena, &got, &err));
    assert_true(str_is(got, "old"));
    assert_false(store_get_file(s, "v/absent", to, NULL, &err));

    write_local("from", "other weights");
    check_changed(s, &file);
    check(store_file_read(from, NULL, &file, &err));
    check(store_put_new_file(s, "v/model.onnx", &file, &written, &err));
    assert_false(written);
    check(store_put_new_file(s, "v/b/model.onnx", &file, &written, &err));
    assert_true(written);
    check(store_put_file(s, "v/model.onnx", &file, &err)); /* replaces */
    file.path = "/no/such/file";
    assert_false(store_put_file(s, "v/x", &file, &err));

    const char **keys;
    size_t n;
    check(store_list(s, "v/", 100, &arena, &keys, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(keys[0], "v/b/model.onnx");
    assert_string_equal(keys[1], "v/model.onnx");
    check(store_list(s, "v/", 1, &arena, &keys, &n, &err));
    assert_int_equal(n, 1);
    check(store_list(s, "w", 100, &arena, &keys, &n, &err));
    assert_int_equal(n, 0);
    store_close(s);
}

static void test_probe(void **state)
{
    (void)state;
    struct store *s = open_store("file://m", folder);
    const char **keys;
    size_t n;
    bool atomic = false;

    check(store_probe(s, &atomic, &err));
    assert_true(atomic);
    check(store_list(s, "", 100, &arena, &keys, &n, &err));
    assert_int_equal(n, 0);
    store_close(s);
    if (geteuid() == 0)
        return; /* root may write anywhere */
    check(fs_mkdirs(fs_join(&arena, folder, "ro"), &err));
    chmod(fs_join(&arena, folder, "ro"), 0500);
    s = open_store("file://ro", folder);
    assert_false(store_probe(s, &atomic, &err));
    assert_int_equal(err.code, ERR_STORE);
    store_close(s);
}

static void test_probe_on_a_file(void **state)
{
    (void)state;
    struct store_options o = {.url = "file://plain", .workspace = folder};
    struct store *s = NULL;
    write_local("plain", "x");
    assert_false(store_open(&o, &s, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_lock_is_taken_over(void **state)
{
    (void)state;
    struct dir_lock l;

    /* Left behind by a holder under another kernel: only watching tells. */
    write_local(".lock", "00000000-aaaa ffff host elsewhere process 1\n");
    double start = clock_seconds();
    check(dir_lock_take(&l, folder, 0.3, &err));
    double waited = clock_seconds() - start;
    assert_true(waited >= 0.3 && waited < 5);
    dir_lock_release(&l);
    assert_false(fs_exists(fs_join(&arena, folder, ".lock")));

    /* Left behind by a killed process of this machine: at once. */
    pid_t child = fork();
    if (child == 0) {
        if (!dir_lock_take(&l, folder, 60, &err))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    assert_true(fs_exists(fs_join(&arena, folder, ".lock")));
    start = clock_seconds();
    check(dir_lock_take(&l, folder, 60, &err));
    assert_true(clock_seconds() - start < 5);
    dir_lock_release(&l);
}

static void test_tidy(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_old, stays;
    } files[] = {
        {"m/versions/v/.model.onnx.0123.new", true, false}, {"m/versions/v/.tmp-0123", true, false},
        {"m/.tmp-1", true, false}, {"m/versions/v/.tmp-young", false, true}, {"m/versions/v/model.onnx", true, true},
        {"m/versions/v/.keep", true, true}, {"m/x.new", true, true},
    };
    size_t n = sizeof files / sizeof *files;
    check(fs_mkdirs(fs_join(&arena, folder, "m/versions/v"), &err));
    for (size_t i = 0; i < n; i++) {
        write_local(files[i].name, "x");
        struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        if (files[i].is_old)
            utimensat(AT_FDCWD, fs_join(&arena, folder, files[i].name), old, 0);
    }
    struct store *s = open_store("file://m", folder);
    bool atomic;
    check(store_probe(s, &atomic, &err));
    store_close(s);
    for (size_t i = 0; i < n; i++) {
        if (fs_exists(fs_join(&arena, folder, files[i].name)) != files[i].stays)
            fail_msg("%s", files[i].name);
    }
}

#define N_PROCESSES 8
#define N_ROUNDS 25

/* Every process adds one to a counter object N_ROUNDS times by compare and swap: no increment may be lost. */
static int count_up(void)
{
    struct store *s = open_store("file://m", folder);
    for (int i = 0; i < N_ROUNDS; i++) {
        bool written = false;
        while (!written) {
            struct arena a = {0};
            enum store_found found;
            struct str text;
            char etag[128], next[32];
            int64_t value = 0;
            if (!store_get(s, "n", 32, &a, &found, &text, etag, &err) || (found && !str_to_int64(text, &value)))
                return 1;
            snprintf(next, sizeof next, "%lld", (long long)value + 1);
            if (!store_put(s, "n", str_of(next), NULL, found ? STORE_IF_MATCH : STORE_IF_ABSENT, etag, &written, &err))
                return 2;
            arena_free(&a);
        }
    }
    store_close(s);
    return 0;
}

static void test_eight_processes(void **state)
{
    (void)state;
    pid_t children[N_PROCESSES];
    for (int i = 0; i < N_PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(count_up());
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    struct store *s = open_store("file://m", folder);
    enum store_found found;
    struct str text;
    char want[32];
    check(store_get(s, "n", 32, &arena, &found, &text, NULL, &err));
    snprintf(want, sizeof want, "%d", N_PROCESSES * N_ROUNDS);
    assert_true(str_is(text, want));
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_probe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_probe_on_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_is_taken_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tidy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_eight_processes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
