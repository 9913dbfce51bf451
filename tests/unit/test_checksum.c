#include "dataset_tree.h"

#include <unistd.h>

#include "core/hash.h"

/* What anyone can run beside us. */
#define COMMAND "cd '%s' && find . -type f -not -path '*/.*' -printf '%%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum"

static char *run(struct arena *a, const char *command)
{
    FILE *p = popen(command, "r");
    assert_non_null(p);
    char *text = arena_alloc(a, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, p);
    assert_int_equal(pclose(p), 0);
    text[n] = 0;
    return text;
}

static void equals_sha256sum(void **state)
{
    (void)state;
    static const struct tree_file files[] = {{"data.yaml", "names: [a]\n"},
                                             {"a-b", "1"},
                                             {"a/b", "2"},
                                             {"a b", "3"},
                                             {"a.b", "4"},
                                             {"a/z/y", ""},
                                             {"\xc3\xa9.txt", "5"},
                                             {"Z", "6"},
                                             {".hidden", "7"},
                                             {"a/.git/x", "8"},
                                             {"tab\there", "9"},
                                             {"quote'\"", "10"},
                                             {"*", "11"},
                                             {"images/a.png", "@9x9"},
                                             {"\xff", "12"},
                                             {"a/b.dvc", "data is here"},
                                             {NULL, NULL}};
    struct arena a = {0};
    struct error e;
    struct manifest m, threaded;
    tree_make(files);
    char *big = arena_alloc(&a, 5000000);
    memset(big, 'x', 5000000);
    tree_write("big", (struct str){big, 5000000});
    char *text = run(&a, arena_printf(&a, COMMAND, tree_root));
    if (!dataset_manifest(tree_root, NULL, &a, &m, &e))
        fail_msg("%s", e.message);
    assert_string_equal(m.text, text);
    assert_int_equal(m.n, strlen(text));
    assert_int_equal(m.n_files, 15);
    char *sum = run(&a, arena_printf(&a, COMMAND " | sha256sum", tree_root));
    assert_memory_equal(m.checksum, sum, 64);
    assert_int_equal(m.checksum[64], 0);

    struct pool *pool = pool_open(4);
    assert_true(dataset_manifest(tree_root, pool, &a, &threaded, &e));
    assert_string_equal(threaded.text, m.text);
    assert_int_equal(threaded.n_bytes, m.n_bytes);
    pool_close(pool);
    arena_free(&a);
}

/* Computed once with the command, so that the test does not only compare two programs of one machine. */
static void known_checksum(void **state)
{
    (void)state;
    static const struct tree_file files[] = {{"a.txt", "hello\n"}, {"b/c.txt", ""}, {NULL, NULL}};
    struct arena a = {0};
    struct error e;
    struct manifest m;
    tree_make(files);
    assert_true(dataset_manifest(tree_root, NULL, &a, &m, &e));
    assert_string_equal(m.text, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  a.txt\n"
                                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b/c.txt\n");
    assert_int_equal(m.n_bytes, 6);
    arena_free(&a);
}

static void refuse(const char *says)
{
    struct arena a = {0};
    struct error e = {0};
    struct manifest m;
    if (dataset_manifest(tree_root, NULL, &a, &m, &e) || e.code != ERR_DATA || !strstr(e.message, says))
        fail_msg("wanted '%s', got code %d '%s'", says, e.code, e.message);
    arena_free(&a);
}

static void what_has_no_checksum_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct tree_file file;
        const char *says;
    } cases[] = {
        {{"a\nb", "x"}, "rename"},
        {{"a\\b", "x"}, "rename"},
        {{"a\rb", "x"}, "rename"},
        {{"images.dvc", "outs:\n"}, "dvc pull"},
        {{"a.jpg", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"}, "git lfs pull"},
        {{".hidden/only", "x"}, "no files"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tree_file files[] = {cases[i].file, {NULL, NULL}};
        tree_make(files);
        refuse(cases[i].says);
    }
    const struct tree_file files[] = {{"a", "x"}, {NULL, NULL}};
    struct arena a = {0};
    tree_make(files);
    assert_int_equal(symlink("a", fs_join(&a, tree_root, "b")), 0);
    refuse("symbolic link");
    tree_make(files);
    assert_int_equal(symlink("/tmp", fs_join(&a, tree_root, "folder")), 0);
    refuse("symbolic link");
    arena_free(&a);
}

static void the_folder_itself_may_be_a_link(void **state)
{
    (void)state;
    static const struct tree_file files[] = {{"a.txt", "hello\n"}, {NULL, NULL}};
    struct arena a = {0};
    struct error e;
    struct manifest m;
    tree_make(files);
    char *link = arena_printf(&a, "%s.link", tree_root);
    assert_int_equal(symlink(tree_root, link), 0);
    bool ok = dataset_manifest(link, NULL, &a, &m, &e);
    unlink(link);
    assert_true(ok);
    assert_int_equal(m.n_files, 1);
    assert_false(dataset_manifest(link, NULL, &a, &m, &e));
    assert_int_equal(e.code, ERR_DATA);
    assert_non_null(strstr(e.message, "does not exist"));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_sha256sum),
        cmocka_unit_test(known_checksum),
        cmocka_unit_test(what_has_no_checksum_is_refused),
        cmocka_unit_test(the_folder_itself_may_be_a_link),
    };
    return cmocka_run_group_tests_name("checksum", tests, tree_begin, tree_end);
}
