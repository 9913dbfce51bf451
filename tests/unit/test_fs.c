#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "core/fs_place.h"

static struct arena run;
static char *root;

static const char *in_root(const char *name)
{
    return fs_join(&run, root, name);
}

static int make_root(void **state)
{
    (void)state;
    char folder[] = "/tmp/retrain-test-XXXXXX";
    root = arena_strdup(&run, mkdtemp(folder) ? folder : "/nonexistent");
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    struct error e = {0};
    bool is_removed = fs_remove_tree(root, &e) && !fs_exists(root);
    if (!is_removed)
        print_error("%s\n", e.message);
    arena_free(&run);
    return is_removed ? 0 : 1;
}

static void put(const char *name, const char *text)
{
    struct error e = {0};
    if (!fs_write_atomic(in_root(name), str_of(text), &e))
        fail_msg("%s", e.message);
}

static const char *get(const char *name)
{
    struct error e = {0};
    struct str text;
    return fs_read_file(in_root(name), 1 << 20, &run, &text, &e) ? text.p : e.message[0] ? "(unreadable)" : "(no message)";
}

static void parts_become_one_file(void **state)
{
    (void)state;
    struct error e = {0};
    const struct str parts[] = {STR_LIT("one, "), STR_LIT(""), STR_LIT("two"), {"!", 1}};
    assert_true(fs_write_parts(in_root("parts"), parts, COUNT(parts), &e));
    assert_string_equal(get("parts"), "one, two!");
    assert_true(fs_write_parts(in_root("parts"), NULL, 0, &e));
    assert_string_equal(get("parts"), "");
}

static void paths_are_joined_and_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *name, *joined;
    } joins[] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {".", "b", "b"}, {"a", ".", "a"}, {"a", "", "a"},
        {"a", "/b", "/b"}, {"/", "b", "/b"}, {"a", "./b", "a/b"}, {".", ".", "."}, {"", "", "."}, {"a//", "b", "a/b"},
        {"..", "b", "../b"}, {"a", "../b", "a/../b"}, {"./", ".hidden", ".hidden"},
    };
    for (size_t i = 0; i < COUNT(joins); i++)
        assert_string_equal(fs_join(&run, joins[i].dir, joins[i].name), joins[i].joined);
    static const struct {
        const char *path, *base, *ext, *dir, *stem;
    } parts[] = {
        {"a/b.jpg", "b.jpg", ".jpg", "a", "b"}, {"b", "b", "", ".", "b"}, {"/b", "b", "", "/", "b"},
        {"a.d/b", "b", "", "a.d", "b"}, {"a/b.tar.gz", "b.tar.gz", ".gz", "a", "b.tar"}, {".env", ".env", "", ".", ".env"},
        {"a//b.", "b.", ".", "a", "b"}, {"a/", "", "", "a", ""},
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_string_equal(fs_base(parts[i].path), parts[i].base);
        assert_string_equal(fs_ext(parts[i].path), parts[i].ext);
        assert_string_equal(fs_dir(&run, parts[i].path), parts[i].dir);
        assert_string_equal(fs_stem(&run, parts[i].path), parts[i].stem);
    }
    static const char *const normal[][2] = {
        {"a/./b//c/", "a/b/c"}, {"a/../b", "b"}, {"/a/../../b", "/b"}, {"../a/../..", "../.."}, {"/", "/"}, {".", ""}, {"a/..", ""},
    };
    for (size_t i = 0; i < COUNT(normal); i++)
        assert_string_equal(fs_normal(&run, normal[i][0]), normal[i][1]);
}

static void reading_has_a_ceiling(void **state)
{
    (void)state;
    struct error e = {0};
    struct str text;
    put("five", "12345");
    assert_true(fs_read_file(in_root("five"), 5, &run, &text, &e));
    assert_int_equal(text.n, 5);
    assert_string_equal(text.p, "12345");
    assert_false(fs_read_file(in_root("five"), 4, &run, &text, &e));
    assert_non_null(strstr(e.message, "limit is 4"));
    put("empty", "");
    assert_true(fs_read_file(in_root("empty"), 0, &run, &text, &e));
    assert_string_equal(text.p, "");
    assert_false(fs_read_file(in_root("absent"), 5, &run, &text, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    assert_non_null(strstr(e.message, "absent: No such file"));
    assert_false(fs_read_file(root, 5, &run, &text, &e));
    assert_non_null(strstr(e.message, "folder"));
    assert_true(fs_read_file("/proc/self/status", 1 << 20, &run, &text, &e)); /* a file that says it has 0 bytes */
    assert_true(text.n > 100 && text.p[text.n] == '\0');
    assert_false(fs_read_file("/proc/self/status", 10, &run, &text, &e));
}

static void writing_replaces_whole_files(void **state)
{
    (void)state;
    struct error e = {0};
    put("file", "one");
    put("file", "two");
    assert_string_equal(get("file"), "two");
    struct stat st;
    assert_int_equal(stat(in_root("file"), &st), 0);
    assert_int_equal(st.st_mode & 0600, 0600);
    assert_false(fs_write_atomic(in_root("absent/file"), STR_LIT("x"), &e));
    assert_non_null(strstr(e.message, "absent/file"));
    /* A folder cannot be replaced by a file; the temporary must be gone. */
    assert_true(fs_mkdirs(in_root("taken/full"), &e));
    assert_false(fs_write_atomic(in_root("taken/full"), STR_LIT("x"), &e));
    assert_true(rmdir(in_root("taken/full")) == 0);
    assert_true(rmdir(in_root("taken")) == 0);
    put("source", "copied");
    assert_true(fs_copy_atomic(in_root("source"), in_root("copy"), &e));
    assert_string_equal(get("copy"), "copied");
    assert_false(fs_copy_atomic(in_root("absent"), in_root("copy"), &e));
    assert_string_equal(get("copy"), "copied");
    assert_true(fs_append(in_root("log"), STR_LIT("a\n"), &e) && fs_append(in_root("log"), STR_LIT("b\n"), &e));
    assert_string_equal(get("log"), "a\nb\n");
    assert_true(fs_remove(in_root("log"), &e) && fs_remove(in_root("log"), &e));
    assert_false(fs_remove(root, &e));
}

static void creating_never_replaces(void **state)
{
    (void)state;
    struct error e = {0};
    bool created;
    assert_true(fs_mkdirs(in_root("x"), &e));
    assert_true(fs_create_exclusive(in_root("x/once"), STR_LIT("first"), &created, &e) && created);
    assert_true(fs_create_exclusive(in_root("x/once"), STR_LIT("second"), &created, &e) && !created);
    assert_string_equal(get("x/once"), "first");
    assert_int_equal(symlink("nowhere", in_root("x/dangling")), 0);
    assert_true(fs_create_exclusive(in_root("x/dangling"), STR_LIT("third"), &created, &e) && !created);
    assert_false(fs_create_exclusive(in_root("absent/once"), STR_LIT("x"), &created, &e));
    /* The way for file systems without link(2). */
    put("x/temp", "locked");
    assert_true(fs_place_locked(in_root("x/temp"), in_root("x/twice"), &created, &e) && created);
    assert_string_equal(get("x/twice"), "locked");
    put("x/temp", "late");
    assert_true(fs_place_locked(in_root("x/temp"), in_root("x/twice"), &created, &e) && !created);
    assert_string_equal(get("x/twice"), "locked");
    assert_true(fs_remove(in_root("x/temp"), &e));
    /* A lock that a killed process left is taken over. */
    int fd = open(in_root("x/.lock-stale"), O_CREAT | O_WRONLY, 0644);
    struct timespec old[2] = {{1, 0}, {1, 0}};
    assert_true(fd >= 0 && futimens(fd, old) == 0 && close(fd) == 0);
    put("x/temp", "after");
    assert_true(fs_place_locked(in_root("x/temp"), in_root("x/stale"), &created, &e) && created);
    assert_true(fs_remove(in_root("x/once"), &e) && fs_remove(in_root("x/twice"), &e) && fs_remove(in_root("x/stale"), &e));
    assert_true(fs_remove(in_root("x/dangling"), &e));
    assert_int_equal(rmdir(in_root("x")), 0); /* no temporary and no lock is left */
}

struct race {
    const char *path;
    int n_created, use_lock;
    pthread_t thread;
    int number;
};

static void *create_in_a_race(void *arg)
{
    struct race *r = arg;
    struct error e = {0};
    struct arena a = {0};
    for (int i = 0; i < 50; i++) {
        bool created = false;
        const char *path = arena_printf(&a, "%s-%d", r->path, i);
        const char *temp = arena_printf(&a, "%s-temp-%d-%d", r->path, r->number, i);
        if (r->use_lock) {
            if (!fs_write_atomic(temp, STR_LIT("x"), &e) || !fs_place_locked(temp, path, &created, &e) ||
                !fs_remove(temp, &e))
                break;
        } else if (!fs_create_exclusive(path, STR_LIT("x"), &created, &e)) {
            break;
        }
        r->n_created += created;
    }
    arena_free(&a);
    return e.code == ERR_NONE ? NULL : arg;
}

static void one_of_many_creators_wins(void **state)
{
    (void)state;
    for (int use_lock = 0; use_lock < 2; use_lock++) {
        struct race races[4];
        int n_created = 0;
        for (int i = 0; i < 4; i++) {
            races[i] = (struct race){.path = in_root(use_lock ? "locked" : "linked"), .use_lock = use_lock, .number = i};
            assert_int_equal(pthread_create(&races[i].thread, NULL, create_in_a_race, &races[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            void *trouble;
            pthread_join(races[i].thread, &trouble);
            assert_null(trouble);
            n_created += races[i].n_created;
        }
        assert_int_equal(n_created, 50);
    }
}

static void walking_is_sorted_and_skips_hidden(void **state)
{
    (void)state;
    struct error e = {0};
    assert_true(fs_mkdirs(in_root("tree/a/deep"), &e) && fs_mkdirs(in_root("tree/.git/objects"), &e) &&
                fs_mkdirs(in_root("tree/a b"), &e));
    put("tree/a/deep/x", "123");
    put("tree/a.txt", "1");
    put("tree/a-b", "");
    put("tree/B", "");
    put("tree/.hidden", "");
    put("tree/.git/objects/y", "");
    put("tree/a/.z", "");
    put("tree/\xc3\xbc", "");
    assert_int_equal(symlink("/", in_root("tree/link")), 0);
    assert_int_equal(symlink("tree", in_root("to-tree")), 0);
    static const struct {
        const char *path;
        enum fs_kind kind;
        uint64_t size;
    } want[] = {
        {"B", FS_FILE, 0}, {"a", FS_DIR, 0}, {"a b", FS_DIR, 0}, {"a-b", FS_FILE, 0}, {"a.txt", FS_FILE, 1},
        {"a/deep", FS_DIR, 0}, {"a/deep/x", FS_FILE, 3}, {"link", FS_LINK, 0}, {"\xc3\xbc", FS_FILE, 0},
    };
    const char *const roots[] = {in_root("tree"), in_root("to-tree"), in_root("tree/")};
    for (size_t k = 0; k < COUNT(roots); k++) {
        struct fs_entry *entries;
        size_t n;
        if (!fs_walk(roots[k], &run, &entries, &n, &e))
            fail_msg("%s", e.message);
        assert_int_equal(n, COUNT(want));
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(entries[i].path, want[i].path);
            assert_int_equal(entries[i].kind, want[i].kind);
            if (want[i].kind == FS_FILE)
                assert_true(entries[i].size_bytes == want[i].size);
        }
    }
    struct fs_entry *entries;
    size_t n;
    assert_false(fs_walk(in_root("absent"), &run, &entries, &n, &e));
    assert_false(fs_walk(in_root("tree/B"), &run, &entries, &n, &e));
    char *deep = arena_strdup(&run, "bottomless");
    for (int i = 0; i < 70; i++)
        deep = fs_join(&run, deep, "d");
    assert_true(fs_mkdirs(in_root(deep), &e));
    assert_false(fs_walk(in_root("bottomless"), &run, &entries, &n, &e));
    assert_non_null(strstr(e.message, "deeper than 64"));
}

static void removing_a_tree_follows_no_link(void **state)
{
    (void)state;
    struct error e = {0};
    assert_true(fs_mkdirs(in_root("victim"), &e) && fs_mkdirs(in_root("gone/.h/b"), &e));
    put("victim/kept", "kept");
    put("gone/.h/b/c", "");
    assert_int_equal(symlink("../victim", in_root("gone/link")), 0);
    assert_true(fs_remove_tree(in_root("gone"), &e));
    assert_false(fs_exists(in_root("gone")));
    assert_int_equal(symlink("victim", in_root("to-victim")), 0);
    assert_true(fs_remove_tree(arena_printf(&run, "%s/", in_root("to-victim")), &e));
    assert_false(fs_exists(in_root("to-victim")));
    assert_string_equal(get("victim/kept"), "kept");
    assert_true(fs_remove_tree(in_root("gone"), &e));
    assert_true(fs_remove_tree(in_root("victim/kept"), &e));
    assert_false(fs_exists(in_root("victim/kept")));
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    struct error e = {0};
    struct fs_stat st;
    put("regular", "1234");
    assert_int_equal(symlink("regular", in_root("to-regular")), 0);
    assert_int_equal(mkfifo(in_root("fifo"), 0600), 0);
    static const struct {
        const char *name;
        bool follow;
        enum fs_kind kind;
    } cases[] = {
        {"regular", true, FS_FILE}, {"to-regular", true, FS_FILE}, {"to-regular", false, FS_LINK}, {".", false, FS_DIR},
        {"absent", true, FS_ABSENT}, {"regular/below", true, FS_ABSENT}, {"fifo", false, FS_OTHER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(fs_stat(in_root(cases[i].name), cases[i].follow, &st, &e));
        assert_int_equal(st.kind, cases[i].kind);
    }
    assert_true(fs_stat(in_root("regular"), true, &st, &e) && st.size_bytes == 4 && st.mtime.tv_sec > 0);
    assert_false(fs_mkdirs(in_root("regular/x"), &e));
    assert_non_null(strstr(e.message, "in the way"));
    assert_true(fs_mkdirs(in_root("p//q/"), &e) && fs_exists(in_root("p/q")) && fs_mkdirs(in_root("p/q"), &e));
    assert_true(fs_mkdirs("/", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_become_one_file),
        cmocka_unit_test(paths_are_joined_and_taken_apart), cmocka_unit_test(reading_has_a_ceiling),
        cmocka_unit_test(writing_replaces_whole_files),     cmocka_unit_test(creating_never_replaces),
        cmocka_unit_test(one_of_many_creators_wins),        cmocka_unit_test(walking_is_sorted_and_skips_hidden),
        cmocka_unit_test(removing_a_tree_follows_no_link),  cmocka_unit_test(kinds_are_told_apart),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
