#include "dataset_tree.h"

#include <unistd.h>

#include "core/hash.h"

static bool scan(const char *folder, enum dataset_format format, struct pool *pool, struct arena *a, struct dataset *d,
                 struct error *e)
{
    return dataset_scan(&(struct dataset_options){folder, format, 0.2f}, pool, a, d, e);
}

static void real_datasets_are_clean(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        enum dataset_format format;
        int n_images, n_classes;
        long n_boxes;
    } sets[] = {{"../shared/data/c2k", DATASET_YOLO, 377, 3, 4481},
                {"../shared/data/raccoon", DATASET_VOC, 200, 1, 217}};
    if (!fs_exists(sets[0].folder) || !fs_exists(sets[1].folder))
        skip();
    for (size_t i = 0; i < COUNT(sets); i++) {
        struct arena a = {0};
        struct dataset d;
        struct error e;
        struct pool *pool = pool_open(2);
        if (!scan(sets[i].folder, DATASET_AUTO, pool, &a, &d, &e))
            fail_msg("%s", e.message);
        dataset_decode_all(&d, pool, &a);
        show_defects(&d);
        assert_int_equal(d.n_defects, 0);
        assert_int_equal(d.format, sets[i].format);
        assert_int_equal(d.n_samples, sets[i].n_images);
        assert_int_equal(d.n_train + d.n_val, sets[i].n_images);
        assert_int_equal(d.n_classes, sets[i].n_classes);
        assert_int_equal(d.n_boxes, sets[i].n_boxes);
        assert_in_range(d.n_val, sets[i].n_images / 10, sets[i].n_images * 3 / 10);
        pool_close(pool);
        arena_free(&a);
    }
}

/* sha256sum of the stem, its first 16 digits as a fraction. */
static void split_is_the_documented_hash(void **state)
{
    (void)state;
    static const struct {
        const char *stem;
        double place;
    } cases[] = {{"a", 0xca978112ca1bbdcap-64}, {"b", 0x3e23e8160039594ap-64}, {"", 0xe3b0c44298fc1c14p-64}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(dataset_split(cases[i].stem, (float)cases[i].place + 0.001f), PART_VAL);
        assert_int_equal(dataset_split(cases[i].stem, (float)cases[i].place - 0.001f), PART_TRAIN);
    }
    int n_val = 0;
    for (int i = 0; i < 10000; i++) {
        char stem[16];
        snprintf(stem, sizeof stem, "%05d", i);
        n_val += dataset_split(stem, 0.2f) == PART_VAL;
    }
    assert_in_range(n_val, 1880, 2120); /* 3 sigma */
    assert_int_equal(dataset_split("a", 0), PART_TRAIN);
    assert_int_equal(dataset_split("a", 1), PART_VAL);
}

static void adding_images_moves_none(void **state)
{
    (void)state;
    static const struct tree_file few[] = {
        {"a.png", "@8x8"}, {"b.png", "@8x8"}, {"b.txt", "0 .5 .5 .5 .5"}, {NULL, NULL}};
    struct arena a = {0};
    struct dataset before, after;
    struct error e;
    tree_make(few);
    assert_true(scan(tree_root, DATASET_YOLO, NULL, &a, &before, &e));
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        tree_image(name, 8, 8);
    }
    assert_true(scan(tree_root, DATASET_YOLO, NULL, &a, &after, &e));
    int n_same = 0;
    for (int i = 0; i < before.n_samples; i++)
        for (int k = 0; k < after.n_samples; k++)
            n_same += strcmp(before.samples[i].name, after.samples[k].name) == 0 &&
                      before.samples[i].part == after.samples[k].part;
    assert_int_equal(n_same, 2);
    for (int k = 1; k < after.n_samples; k++)
        assert_true(strcmp(after.samples[k - 1].name, after.samples[k].name) < 0);
    arena_free(&a);
}

static void a_folder_that_cannot_be_read_is_a_failure(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset d;
    struct error e;
    assert_false(scan("/nonexistent/data", DATASET_AUTO, NULL, &a, &d, &e));
    assert_int_equal(e.code, ERR_DATA);
    assert_non_null(strstr(e.message, "does not exist"));
    assert_false(scan("/dev/null", DATASET_AUTO, NULL, &a, &d, &e));
    assert_int_equal(e.code, ERR_DATA);
    arena_free(&a);
}

static void links_are_errors(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"a.png", "@8x8"}, {"a.txt", "0 .5 .5 .5 .5"}, {"g.png", "@8x8"}, {"b.png", "@8x8"}, {NULL, NULL}};
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(files);
    assert_int_equal(symlink("a.png", fs_join(&a, tree_root, "l.png")), 0);
    assert_true(scan(tree_root, DATASET_AUTO, NULL, &a, &d, &e));
    assert_true(has_defect(&d, &(struct wanted_defect){'E', "l.png", 0, "symbolic link"}));
    assert_int_equal(d.n_samples, 3);
    arena_free(&a);
}

static void stored_defects_are_bounded_and_all_counted(void **state)
{
    (void)state;
    enum { N = 12000 };
    static const struct tree_file files[] = {{"a.png", "@8x8"}, {"b.png", "@8x8"}, {NULL, NULL}};
    struct arena a = {0};
    struct dataset d;
    struct error e;
    struct str_buf text = STR_BUF(1 << 20);
    for (int i = 0; i < N; i++)
        str_buf_adds(&text, "x\n");
    tree_make(files);
    tree_write("a.txt", str_buf_view(&text));
    assert_true(scan(tree_root, DATASET_YOLO, NULL, &a, &d, &e));
    assert_true(d.n_errors >= N);
    assert_int_equal(d.n_defects, 10000);
    for (int i = 1; i < d.n_defects; i++)
        assert_true(d.defects[i - 1].line <= d.defects[i].line);
    str_buf_free(&text);
    arena_free(&a);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset one, four;
    struct error e;
    struct tree_file files[42] = {{"data.yaml", "names: [x]\n"}};
    for (int i = 0; i < 40; i++) {
        const char *name = arena_printf(&a, i % 2 ? "%d.txt" : "%d.png", i / 2);
        files[1 + i] = (struct tree_file){name, i % 10 == 4 ? "junk" : i % 2 ? "0 .5 .5 .5 .5\n1 2 3\n" : "@8x8"};
    }
    tree_make(files);
    struct pool *pool = pool_open(4);
    assert_true(scan(tree_root, DATASET_AUTO, NULL, &a, &one, &e));
    assert_true(scan(tree_root, DATASET_AUTO, pool, &a, &four, &e));
    assert_int_equal(one.n_defects, four.n_defects);
    assert_true(one.n_defects > 20);
    for (int i = 0; i < one.n_defects; i++)
        assert_string_equal(one.defects[i].what, four.defects[i].what);
    pool_close(pool);
    arena_free(&a);
}

/* Structure is checked by the scan; what only a decoder sees is found by dataset_decode_all. */
static void decoding_finds_what_the_header_hides(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"a.png", "@8x8"}, {"a.txt", "0 .5 .5 .5 .5"}, {"b.png", "@8x8"}, {NULL, NULL}};
    /* frame 8x8 with one component sampled zero times, one scan, end */
    static const char jpeg[] =
        "\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\0\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\x55\xff\xd9";
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(files);
    tree_write("j.jpg", (struct str){jpeg, sizeof jpeg - 1});
    assert_true(scan(tree_root, DATASET_YOLO, NULL, &a, &d, &e));
    assert_int_equal(d.n_samples, 3);
    int n = d.n_errors;
    dataset_decode_all(&d, NULL, &a);
    assert_int_equal(d.n_errors, n + 1);
    assert_true(has_defect(&d, &(struct wanted_defect){'E', "j.jpg", 0, "damaged"}));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_datasets_are_clean),  cmocka_unit_test(split_is_the_documented_hash),
        cmocka_unit_test(adding_images_moves_none), cmocka_unit_test(a_folder_that_cannot_be_read_is_a_failure),
        cmocka_unit_test(links_are_errors),         cmocka_unit_test(stored_defects_are_bounded_and_all_counted),
        cmocka_unit_test(threads_change_nothing),   cmocka_unit_test(decoding_finds_what_the_header_hides),
    };
    return cmocka_run_group_tests_name("scan", tests, tree_begin, tree_end);
}
