/* The publish protocol on a folder: what is visible when, who wins, what a killed run leaves. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder_store.h"

#include "core/clock.h"
#include "core/hash.h"
#include "store/backend.h"
#include "store/publish.h"

/* As a bucket does it: without a lock of the back end's own. */
static bool use_lease;

static void lock_by_lease(struct store *s)
{
    static struct store_backend backend;
    backend = *s->backend;
    backend.lock = NULL;
    backend.lock_keep = NULL;
    backend.unlock = NULL;
    s->backend = &backend;
}

static struct store *open_for_test(void)
{
    struct store *s = open_store();
    if (use_lease)
        lock_by_lease(s);
    return s;
}

static int set_up(void **state)
{
    if (set_up_store(state))
        return -1;
    if (use_lease)
        lock_by_lease(store);
    return 0;
}

static char *in_folder(const char *name)
{
    return fs_join(&arena, folder, name);
}

static struct json *new_manifest(const char *version)
{
    struct json *m = json_new_object();
    json_set(m, "schema", json_new_int(1));
    json_set(m, "version", json_new_string(version));
    json_set(m, "parent", json_new_string(NULL));
    return m;
}

/* Publishes a version whose model holds `weights` and whose report holds `report`. */
static bool publish(struct store *s, const char *version, const char *weights, const char *report, time_t now,
                    bool *already, struct json **out)
{
    struct arena a = {0};
    struct artifact artifacts[2] = {{.name = "model.onnx"}, {.name = "report.html", .content_type = "text/html"}};
    artifacts[0].path = fs_join(&a, folder, arena_printf(&a, "w-%d", getpid()));
    artifacts[1].path = fs_join(&a, folder, arena_printf(&a, "r-%d", getpid()));
    struct json *m = new_manifest(version);
    bool ok = fs_write_atomic(artifacts[0].path, str_of(weights), &err) &&
              fs_write_atomic(artifacts[1].path, str_of(report), &err) &&
              publish_version(s, version, artifacts, 2, &m, already, now, &err);
    if (out)
        *out = m;
    else
        json_free(m);
    arena_free(&a);
    return ok;
}

static enum version_state state_of(struct store *s, const char *version, char missing[256])
{
    enum version_state state;
    struct json *m;
    check(publish_find(s, version, &state, &m, missing, &err));
    assert_int_equal(m != NULL, state == VERSION_PUBLISHED);
    json_free(m);
    return state;
}

static char *latest_version(struct store *s)
{
    enum store_found found;
    struct json *m;
    check(publish_latest(s, &found, &m, &err));
    char *version = arena_strdup(&arena, found ? json_string(json_get(m, "version"), "?") : "none");
    json_free(m);
    return version;
}

static size_t n_keys(const char *prefix)
{
    const char **keys;
    size_t n;
    check(store_list(store, prefix, 1000, &arena, &keys, &n, &err));
    return n;
}

/* Whatever is visible as published must be whole: manifest, artifacts, sizes and hashes. */
static void check_whole(struct store *s)
{
    struct json *all;
    check(publish_list(s, &all, &err));
    for (size_t i = 0; i < json_len(all); i++) {
        const struct json *artifacts = json_get(json_at(all, i), "artifacts");
        for (size_t j = 0; j < json_len(artifacts); j++) {
            uint8_t sum[32];
            char hex[65];
            enum store_found found;
            check(store_digest(s, json_string(json_get(json_at(artifacts, j), "key"), ""), &found, sum, &err));
            assert_int_equal(found, STORE_PRESENT);
            hex_encode(sum, 32, hex);
            assert_string_equal(hex, json_string(json_get(json_at(artifacts, j), "sha256"), ""));
        }
    }
    json_free(all);
}

static void test_layout(void **state)
{
    (void)state;
    char missing[256];
    bool already;
    struct json *m, *parsed;
    struct str text, latest;

    assert_int_equal(state_of(store, "v1", missing), VERSION_ABSENT);
    assert_string_equal(latest_version(store), "none");
    check(publish(store, "v1", "weights", "report", 1000000000, &already, &m));
    assert_false(already);
    assert_int_equal(state_of(store, "v1", missing), VERSION_PUBLISHED);

    check(fs_read_file(in_folder("m/versions/v1/manifest.json"), 10000, &arena, &text, &err));
    check(json_parse(text, "manifest", &parsed, &err));
    assert_string_equal(json_string(json_get(parsed, "created_at"), ""), "2001-09-09T01:46:40Z");
    const struct json *artifact = json_at(json_get(parsed, "artifacts"), 0);
    assert_string_equal(json_string(json_get(artifact, "name"), ""), "model.onnx");
    assert_string_equal(json_string(json_get(artifact, "key"), ""), "versions/v1/model.onnx");
    assert_string_equal(json_string(json_get(artifact, "sha256"), ""),
                        "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c");
    assert_int_equal(json_number(json_get(artifact, "size"), 0), 7);

    /* latest.json: the same object and one member more, last. */
    struct str_buf same = STR_BUF(10000);
    json_set(parsed, "manifest", json_new_string("versions/v1/manifest.json"));
    json_write(parsed, true, &same);
    check(fs_read_file(in_folder("m/latest.json"), 10000, &arena, &latest, &err));
    assert_true(str_eq(latest, str_buf_view(&same)));
    str_buf_free(&same);
    assert_int_equal(n_keys("checkpoints/"), 0);
    assert_int_equal(n_keys("probe/"), 0);
    json_free(parsed);
    json_free(m);

    /* A second time: theirs, unchanged, although our bytes differ. */
    check(publish(store, "v1", "WEIGHTS", "report", 1100000000, &already, &m));
    assert_true(already);
    assert_string_equal(json_string(json_get(m, "created_at"), ""), "2001-09-09T01:46:40Z");
    json_free(m);
    assert_int_equal(n_keys("versions/"), 3);
}

static void test_pointer_moves_forward(void **state)
{
    (void)state;
    bool already;
    check(publish(store, "v2", "a", "r", 2000, &already, NULL));
    check(publish(store, "v1", "b", "r", 1000, &already, NULL));
    assert_string_equal(latest_version(store), "v2");
    check(publish(store, "v3", "c", "r", 2000, &already, NULL)); /* same second: by version */
    assert_string_equal(latest_version(store), "v3");

    check(publish_point(store, "v1", HISTORY_ROLLBACK, &err)); /* rollback */
    assert_string_equal(latest_version(store), "v1");
    check(publish(store, "v2", "a", "r", 2000, &already, NULL)); /* published long ago: the rollback stays */
    assert_true(already);
    assert_string_equal(latest_version(store), "v1");
    check(publish(store, "v4", "d", "r", 3000, &already, NULL));
    assert_string_equal(latest_version(store), "v4");

    assert_false(publish_point(store, "v9", HISTORY_ROLLBACK, &err));
    assert_int_equal(err.code, ERR_CONFIG);

    struct json *all;
    static const char *const want[] = {"v4", "v3", "v2", "v1"};
    check(publish_list(store, &all, &err));
    assert_int_equal(json_len(all), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_string(json_get(json_at(all, i), "version"), ""), want[i]);
    json_free(all);
}

static void test_incomplete(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text; /* text NULL = removed */
        const char *missing;     /* what publish_find must say */
    } cases[] = {
        {"m/versions/v1/model.onnx", NULL, "versions/v1/model.onnx is missing"},
        {"m/versions/v1/model.onnx", "short", "versions/v1/model.onnx has 5 bytes instead of 7"},
        {"m/versions/v1/manifest.json", "", "manifest.json is damaged"},
        {"m/versions/v1/manifest.json", "{\"schema\": 1,", "manifest.json is damaged"},
        {"m/versions/v1/manifest.json", "[]", "manifest.json is damaged"},
        {"m/versions/v1/manifest.json", "{\"schema\": 1, \"version\": \"v2\"}", "about another version"},
        {"m/versions/v1/manifest.json",
         "{\"schema\":1,\"version\":\"v1\",\"created_at\":\"2001-09-09T01:46:40Z\",\"artifacts\":[]}", "no artifacts"},
        {"m/versions/v1/manifest.json",
         "{\"schema\":1,\"version\":\"v1\",\"created_at\":\"2001-09-09T01:46:40Z\",\"artifacts\":[{\"name\":\"x\","
         "\"key\":\"versions/../../x\",\"sha256\":\"00\",\"size\":1}]}",
         "not below its version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char missing[256];
        bool already;
        check(publish(store, "v1", "weights", "report", 1000, &already, NULL));
        if (cases[i].text)
            check(fs_write_atomic(in_folder(cases[i].file), str_of(cases[i].text), &err));
        else
            check(fs_remove(in_folder(cases[i].file), &err));
        assert_int_equal(state_of(store, "v1", missing), VERSION_INCOMPLETE);
        if (!strstr(missing, cases[i].missing))
            fail_msg("case %zu: \"%s\"", i, missing);
        assert_false(publish_point(store, "v1", HISTORY_ROLLBACK, &err));

        check(publish(store, "v1", "weights", "report", 1000, &already, NULL));
        assert_false(already);
        assert_int_equal(state_of(store, "v1", missing), VERSION_PUBLISHED);
        check_whole(store);
    }
}

static void test_newer_schema(void **state)
{
    (void)state;
    enum version_state found;
    struct json *m;
    char missing[256];
    bool already;
    check(fs_mkdirs(in_folder("m/versions/v1"), &err));
    check(fs_write_atomic(in_folder("m/versions/v1/manifest.json"), STR_LIT("{\"schema\": 2}"), &err));
    assert_false(publish_find(store, "v1", &found, &m, missing, &err));
    assert_non_null(strstr(err.message, "newer retrain"));
    assert_false(publish(store, "v1", "w", "r", 1, &already, NULL)); /* and it is not overwritten */
}

static void test_leftovers_of_a_killed_run(void **state)
{
    (void)state;
    char missing[256];
    bool already;
    struct json *m;
    /* Another run uploaded other bytes under the plain name and was killed, or is still at work. */
    check(fs_mkdirs(in_folder("m/versions/v1"), &err));
    check(fs_write_atomic(in_folder("m/versions/v1/report.html"), STR_LIT("theirs"), &err));
    check(fs_write_atomic(in_folder("m/versions/v1/model.onnx"), STR_LIT("weights"), &err));
    assert_int_equal(state_of(store, "v1", missing), VERSION_ABSENT);
    check(publish(store, "v1", "weights", "ours", 1000, &already, &m));
    assert_int_equal(state_of(store, "v1", missing), VERSION_PUBLISHED);
    const struct json *artifacts = json_get(m, "artifacts");
    assert_string_equal(json_string(json_get(json_at(artifacts, 0), "key"), ""), "versions/v1/model.onnx");
    const char *key = json_string(json_get(json_at(artifacts, 1), "key"), "");
    struct str text;
    check(fs_read_file(fs_join(&arena, in_folder("m"), key), 100, &arena, &text, &err));
    assert_true(str_is(text, "ours"));
    json_free(m);
    assert_int_equal(n_keys("versions/v1/"), 3); /* what no manifest names is gone */
    check_whole(store);
}

/* Artifacts without a manifest: a removal or an upload that was killed. Somebody may still be uploading for a week. */
static void test_remains(void **state)
{
    (void)state;
    bool already, written;
    int n_removed;
    time_t week = 7 * 24 * 3600;
    check(publish(store, "v1", "a", "r", 1000, &already, NULL));
    check(fs_mkdirs(in_folder("m/versions/v0/abc"), &err));
    check(fs_write_atomic(in_folder("m/versions/v0/model.onnx"), STR_LIT("theirs"), &err));
    check(fs_write_atomic(in_folder("m/versions/v0/abc/model.onnx"), STR_LIT("theirs"), &err));
    check(store_put(store, "checkpoints/v0/uploading-1", STR_LIT("1970-01-01T00:16:40Z"), NULL, STORE_ALWAYS, NULL, &written,
                    &err));
    check(publish_prune(store, 0, 1000 + week - 1, &n_removed, &err));
    assert_int_equal(n_keys("versions/v0/"), 2);
    check(publish_prune(store, 0, 1000 + week + 1, &n_removed, &err));
    assert_int_equal(n_removed, 0); /* it was no version */
    assert_int_equal(n_keys("versions/v0/"), 0);
    assert_int_equal(n_keys("versions/v1/"), 3);
}

static void test_settle(void **state)
{
    (void)state;
    enum version_state found;
    struct json *m;
    char missing[256];
    bool already, written;
    check(publish(store, "v1", "a", "r", 1000, &already, NULL));
    check(publish(store, "v2", "b", "r", 2000, &already, NULL));
    check(publish_point(store, "v1", HISTORY_ROLLBACK, &err));
    check(publish_find(store, "v2", &found, &m, missing, &err));
    check(publish_settle(store, m, &err)); /* a rollback is left alone */
    assert_string_equal(latest_version(store), "v1");
    /* Killed between the manifest and the pointer: the marker is still there. */
    check(store_put(store, "checkpoints/v2/publishing", STR_LIT("x"), NULL, STORE_ALWAYS, NULL, &written, &err));
    check(publish_settle(store, m, &err));
    assert_string_equal(latest_version(store), "v2");
    assert_int_equal(n_keys("checkpoints/"), 0);
    json_free(m);
}

static void test_damaged_pointer(void **state)
{
    (void)state;
    enum store_found found;
    struct json *m;
    bool already;
    check(fs_mkdirs(in_folder("m"), &err));
    check(fs_write_atomic(in_folder("m/latest.json"), STR_LIT("{"), &err));
    assert_false(publish_latest(store, &found, &m, &err));
    assert_int_equal(err.code, ERR_STORE);
    check(publish(store, "v1", "a", "r", 1000, &already, NULL));
    assert_string_equal(latest_version(store), "v1");
}

static void test_delete_and_prune(void **state)
{
    (void)state;
    char version[16];
    bool already;
    int n_removed;
    for (int i = 1; i <= 5; i++) {
        snprintf(version, sizeof version, "v%d", i);
        check(publish(store, version, version, "r", 1000 * i, &already, NULL));
    }
    assert_false(publish_delete(store, "v5", &err)); /* latest.json names it */
    assert_int_equal(err.code, ERR_CONFIG);
    assert_false(publish_delete(store, "v9", &err));
    check(publish_point(store, "v1", HISTORY_ROLLBACK, &err));
    check(publish_delete(store, "v5", &err));
    assert_int_equal(n_keys("versions/v5"), 0);
    check(publish_prune(store, 0, 10000, &n_removed, &err));
    assert_int_equal(n_removed, 0);
    check(publish_prune(store, 2, 10000, &n_removed, &err)); /* v4 v3 stay, v2 goes, v1 is pointed to */
    assert_int_equal(n_removed, 1);
    assert_int_equal(n_keys("versions/v2"), 0);
    assert_int_equal(n_keys("versions/v1"), 3);
}

/* Eight processes publish the same new version of each round and one of their own: one winner a round, all whole, the
 * pointer on the newest. */
#define N_PROCESSES 8
#define N_ROUNDS 6

static int race(int process)
{
    struct store *s = open_for_test();
    for (int round = 0; round < N_ROUNDS; round++) {
        char version[32], report[32];
        bool already;
        snprintf(version, sizeof version, "same-%d", round);
        snprintf(report, sizeof report, "by %d", process);
        if (!publish(s, version, version, report, 1000 + round, &already, NULL))
            return 2;
        snprintf(version, sizeof version, "own-%d-%d", round, process);
        if (!publish(s, version, version, report, 5000 - 100 * round + process, &already, NULL) || already)
            return 3;
    }
    store_close(s);
    return 0;
}

static void test_race(void **state)
{
    (void)state;
    pid_t children[N_PROCESSES];
    for (int i = 0; i < N_PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int rc = race(i);
            if (rc)
                fprintf(stderr, "# process %d: %s\n", i, err.message);
            _exit(rc);
        }
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    struct json *all;
    check(publish_list(store, &all, &err));
    assert_int_equal(json_len(all), N_ROUNDS * (N_PROCESSES + 1));
    json_free(all);
    check_whole(store);
    assert_string_equal(latest_version(store), "own-0-7"); /* the greatest created_at */
    assert_int_equal(n_keys("checkpoints/"), 0);
}

static void test_race_by_lease(void **state)
{
    use_lease = true;
    test_race(state);
    use_lease = false;
    assert_int_equal(n_keys("locks/"), 0);
}

/* A store so slow that everybody else takes us for dead: conditional writes alone must do; without them we must not go
 * on, and say why. */
static void test_lost_lock(void **state)
{
    (void)state;
    bool already;
    lock_by_lease(store);
    store->stale_s = 1e-9;
    check(publish(store, "v1", "weights", "report", 1000, &already, NULL));
    assert_false(already);
    check_whole(store);
    assert_string_equal(latest_version(store), "v1");

    store->guarantee = STORE_BEST_EFFORT;
    assert_false(publish(store, "v2", "weights", "report", 2000, &already, NULL));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.message, "very slow"));
    assert_int_equal(n_keys("locks/") + n_keys("versions/v2/manifest.json"), 0);
    assert_false(publish_point(store, "v1", HISTORY_ROLLBACK, &err));
    assert_non_null(strstr(err.message, "lost the store's lock"));
}

/* kill -9 at random moments: nothing half visible, and the next run converges. */
static void test_killed(void **state)
{
    (void)state;
    size_t big = 3 << 20;
    char *weights = arena_alloc(&arena, big + 1);
    memset(weights, 'w', big);
    srandom(1);
    for (int i = 0; i < 12; i++) {
        char version[32], missing[256];
        bool already;
        snprintf(version, sizeof version, "v%02d", i);
        pid_t child = fork();
        if (child == 0) {
            struct store *s = open_for_test();
            _exit(publish(s, version, weights, version, 1000 + i, &already, NULL) ? 0 : 1);
        }
        usleep((useconds_t)(random() % 40000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        check_whole(store);
        assert_int_not_equal(state_of(store, version, missing), VERSION_INCOMPLETE);

        struct json *m;
        check(publish(store, version, weights, version, 1000 + i, &already, &m));
        json_free(m);
        assert_int_equal(state_of(store, version, missing), VERSION_PUBLISHED);
        assert_string_equal(latest_version(store), version);
        assert_int_equal(n_keys("checkpoints/"), 0);
    }
    check_whole(store);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down_store)
    const struct CMUnitTest tests[] = {
        TEST(test_layout), TEST(test_pointer_moves_forward), TEST(test_incomplete), TEST(test_newer_schema),
        TEST(test_leftovers_of_a_killed_run), TEST(test_remains), TEST(test_settle), TEST(test_damaged_pointer),
        TEST(test_delete_and_prune), TEST(test_race), TEST(test_race_by_lease), TEST(test_lost_lock), TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
