/* Archives of stored entries: both widths of the directory, every defect by name, every cut. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "export/zip.h"
#include "stored_zip.h"

static struct arena arena;
static const struct stored two[] = {{"b/second", "hello", 5}, {"a", "", 0}};

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void reads_stored_entries(void **state)
{
    (void)state;
    for (int is_wide = 0; is_wide < 2; is_wide++) {
        struct error e = {0};
        struct zip z;
        struct str file = stored_zip(&arena, two, 2, is_wide);
        assert_true(zip_is(file));
        if (!zip_open(file, "a.zip", &arena, &z, &e))
            fail_msg("%s", e.message);
        assert_int_equal(z.n, 2);
        struct zip_entry *found = zip_find(&z, STR_LIT("b/second"));
        assert_non_null(found);
        assert_true(str_is(found->bytes, "hello"));
        assert_true(zip_check(found, "a.zip", &e));
        assert_int_equal(zip_find(&z, STR_LIT("a"))->bytes.n, 0);
        assert_null(zip_find(&z, STR_LIT("second")));
        assert_null(zip_find(&z, STR_LIT("")));
    }
    struct error e = {0};
    struct zip z;
    struct str none = stored_zip(&arena, two, 0, false);
    assert_true(zip_is(none) && zip_open(none, "a.zip", &arena, &z, &e));
    assert_int_equal(z.n, 0);
    assert_null(zip_find(&z, STR_LIT("a")));
}

static void finds_damage_by_checksum(void **state)
{
    (void)state;
    struct error e = {0};
    struct zip z;
    struct str file = stored_zip(&arena, two, 2, false);
    char *bytes = str_dup(&arena, file);
    size_t at = 30 + strlen("b/second") + 5;
    assert_int_equal(bytes[at], 'h');
    bytes[at] = 'j';
    assert_true(zip_open((struct str){bytes, file.n}, "a.zip", &arena, &z, &e));
    assert_false(zip_check(zip_find(&z, STR_LIT("b/second")), "a.zip", &e));
    assert_int_equal(e.code, ERR_DATA);
    assert_non_null(strstr(e.message, "b/second does not have its checksum"));
}

/* Offsets from the end record (22 bytes) and from the directory's first entry. */
static void names_every_defect(void **state)
{
    (void)state;
    enum { FROM_END, FROM_DIRECTORY, FROM_START };
    static const struct {
        int from;
        size_t at;
        char byte;
        const char *part;
    } rows[] = {
        {FROM_END, 0, 'X', "no end"},
        {FROM_END, 10, 3, "more than its directory can hold"},
        {FROM_END, 19, 1, "directory lies outside"},
        {FROM_END, 15, 1, "directory lies outside"},
        {FROM_DIRECTORY, 0, 'X', "directory is damaged"},
        {FROM_DIRECTORY, 8, 1, "is encrypted"},
        {FROM_DIRECTORY, 10, 8, "is compressed"},
        {FROM_DIRECTORY, 20, 6, "is compressed"},
        {FROM_DIRECTORY, 29, 1, "cut off"},
        {FROM_DIRECTORY, 33, 1, "cut off"},
        {FROM_DIRECTORY, 42, 1, "is not where"},
        {FROM_DIRECTORY, 45, 1, "is not where"},
        {FROM_START, 29, 1, "ends beyond the file"},
    };
    struct str file = stored_zip(&arena, two, 2, false);
    size_t directory = 0;
    while (memcmp(file.p + directory, "PK\1\2", 4) != 0)
        directory++;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct zip z;
        char *bytes = str_dup(&arena, file);
        size_t base = rows[i].from == FROM_END ? file.n - 22 : rows[i].from == FROM_DIRECTORY ? directory : 0;
        bytes[base + rows[i].at] = rows[i].byte;
        if (zip_open((struct str){bytes, file.n}, "bad.zip", &arena, &z, &e))
            fail_msg("row %zu was accepted", i);
        if (e.code != ERR_DATA || !strstr(e.message, rows[i].part) || !strstr(e.message, "bad.zip"))
            fail_msg("row %zu said: %s\nwanted: %s", i, e.message, rows[i].part);
    }
}

static void refuses_two_of_one_name(void **state)
{
    (void)state;
    static const struct stored twice[] = {{"x", "1", 1}, {"y", "", 0}, {"x", "2", 1}};
    struct error e = {0};
    struct zip z;
    assert_false(zip_open(stored_zip(&arena, twice, 3, false), "a.zip", &arena, &z, &e));
    assert_non_null(strstr(e.message, "two entries of the name x"));
}

static void refuses_every_cut(void **state)
{
    (void)state;
    for (int is_wide = 0; is_wide < 2; is_wide++) {
        struct str whole = stored_zip(&arena, two, 2, is_wide);
        for (size_t n = 0; n < whole.n; n++) {
            struct error e = {0};
            struct zip z;
            char *exact = malloc(n ? n : 1);
            memcpy(exact, whole.p, n);
            if (zip_open((struct str){exact, n}, "cut", &arena, &z, &e) || e.code != ERR_DATA)
                fail_msg("accepted %zu of %zu bytes", n, whole.n);
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_stored_entries),    cmocka_unit_test(finds_damage_by_checksum),
        cmocka_unit_test(names_every_defect),      cmocka_unit_test(refuses_two_of_one_name),
        cmocka_unit_test(refuses_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
