#include <math.h>
#include <string.h>

#include "unit.h"

#include "core/str.h"

static void views_compare_and_trim(void **state)
{
    (void)state;
    assert_true(str_eq(str_of(NULL), str_of("")));
    assert_true(str_eq(STR_LIT("ab"), str_of("ab")));
    assert_false(str_eq(STR_LIT("ab"), STR_LIT("abc")));
    assert_true(str_is(STR_LIT("ab"), "ab"));
    assert_true(str_starts(STR_LIT("file://x"), "file://"));
    assert_false(str_starts(STR_LIT("fil"), "file"));
    assert_true(str_ends(STR_LIT("a.jpg"), ".jpg"));
    assert_true(str_ends(str_of(NULL), ""));
    assert_false(str_ends(STR_LIT("jpg"), ".jpg"));
    assert_true(str_is(str_trim(STR_LIT(" \t\r\n a b \n")), "a b"));
    assert_true(str_trim(STR_LIT(" \n ")).n == 0);
    assert_true(str_is(str_slice(STR_LIT("abcdef"), 2, 4), "cd"));
    assert_true(str_is(str_slice(STR_LIT("abc"), 1, 99), "bc"));
    assert_true(str_slice(STR_LIT("abc"), 5, 2).n == 0);
}

static void cutting_gives_fields_in_turn(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fields[4];
    } cases[] = {
        {"a,b", {"a", "b"}}, {"a,,b", {"a", "", "b"}}, {"a,", {"a"}}, {",a", {"", "a"}}, {",", {""}}, {"", {NULL}},
        {"abc", {"abc"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str rest = str_of(cases[i].text), field;
        size_t n = 0;
        while (str_cut(&rest, ',', &field)) {
            assert_non_null(cases[i].fields[n]);
            assert_true(str_is(field, cases[i].fields[n]));
            n++;
        }
        assert_null(cases[i].fields[n]);
    }
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool is_valid;
    } cases[] = {
        {STR_LIT("plain"), true}, {STR_LIT(""), true}, {STR_LIT("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {STR_LIT("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"), true}, {STR_LIT("a\0b"), false},
        {STR_LIT("\x80"), false}, {STR_LIT("\xc0\x80"), false}, {STR_LIT("\xc1\xbf"), false},
        {STR_LIT("\xe0\x9f\xbf"), false}, {STR_LIT("\xed\xa0\x80"), false}, {STR_LIT("\xf0\x8f\xbf\xbf"), false},
        {STR_LIT("\xf4\x90\x80\x80"), false}, {STR_LIT("\xf5\x80\x80\x80"), false}, {STR_LIT("\xe2\x82"), false},
        {STR_LIT("\xc3"), false}, {STR_LIT("\xff"), false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (str_is_utf8(cases[i].s) != cases[i].is_valid)
            fail_msg("case %zu", i);
}

static void whole_numbers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_valid;
        int64_t value;
    } cases[] = {
        {"0", true, 0}, {"-0", true, 0}, {"42", true, 42}, {"+42", true, 42}, {"-7", true, -7}, {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0}, {"99999999999999999999999", false, 0},
        {"", false, 0}, {"-", false, 0}, {"+", false, 0}, {"-+1", false, 0}, {"+-1", false, 0}, {" 1", false, 0},
        {"1 ", false, 0}, {"1.0", false, 0}, {"0x10", false, 0}, {"1e3", false, 0}, {"--1", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = 0;
        bool is_valid = str_to_int64(str_of(cases[i].text), &value);
        if (is_valid != cases[i].is_valid || value != cases[i].value)
            fail_msg("\"%s\": %d %lld", cases[i].text, is_valid, (long long)value);
    }
    uint64_t u;
    assert_true(str_to_uint64(STR_LIT("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(str_to_uint64(STR_LIT("18446744073709551616"), &u));
    assert_false(str_to_uint64(STR_LIT("-1"), &u));
}

static void reals_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_valid;
        double value;
    } cases[] = {
        {"0", true, 0}, {"0.5", true, 0.5}, {".5", true, 0.5}, {"5.", true, 5}, {"-1e-3", true, -1e-3},
        {"+2.5E+2", true, 250}, {"0.1", true, 0.1}, {"1e-400", true, 0}, {"", false, 0}, {".", false, 0}, {"e5", false, 0},
        {"1e", false, 0}, {"1e+", false, 0}, {"inf", false, 0}, {"nan", false, 0}, {"-inf", false, 0}, {"0x1p3", false, 0},
        {"1,5", false, 0}, {" 1", false, 0}, {"1 ", false, 0}, {"1e400", false, 0}, {"1.2.3", false, 0}, {"-", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value = 0;
        bool is_valid = str_to_double(str_of(cases[i].text), &value);
        if (is_valid != cases[i].is_valid || !(fabs(value - cases[i].value) <= 0))
            fail_msg("\"%s\": %d %g", cases[i].text, is_valid, value);
    }
    char digits[600];
    double value;
    memset(digits, '1', sizeof digits);
    assert_false(str_to_double((struct str){digits, sizeof digits}, &value));
}

static void distances_and_suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"epochs", "image-size", "batch-size", "seed", "dataset", NULL};
    static const struct {
        const char *text, *nearest;
    } cases[] = {
        {"epoch", "epochs"}, {"imgage-size", "image-size"}, {"image_size", "image-size"}, {"sede", NULL},
        {"xyz", NULL}, {"", NULL}, {"datasets", "dataset"}, {"batchsize", "batch-size"}, {"seeds", "seed"},
    };
    assert_int_equal(str_distance(STR_LIT("kitten"), STR_LIT("sitting")), 3);
    assert_int_equal(str_distance(STR_LIT(""), STR_LIT("abc")), 3);
    assert_int_equal(str_distance(STR_LIT("abc"), STR_LIT("abc")), 0);
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    assert_int_equal(str_distance((struct str){a, 200}, (struct str){b, 200}), 64);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *nearest = str_nearest(str_of(cases[i].text), names);
        if ((nearest == NULL) != (cases[i].nearest == NULL) || (nearest && strcmp(nearest, cases[i].nearest) != 0))
            fail_msg("\"%s\": %s", cases[i].text, nearest ? nearest : "(none)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_and_trim),          cmocka_unit_test(cutting_gives_fields_in_turn),
        cmocka_unit_test(utf8_is_checked),                 cmocka_unit_test(whole_numbers_are_read_strictly),
        cmocka_unit_test(reals_are_read_strictly),         cmocka_unit_test(distances_and_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
