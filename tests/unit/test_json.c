#include <math.h>
#include <string.h>

#include "unit.h"

#include "core/json.h"

static struct json *parse(const char *text)
{
    struct error e = {0};
    struct json *v = NULL;
    if (!json_parse(str_of(text), "t.json", &v, &e))
        fail_msg("%s", e.message);
    return v;
}

static void check_written(struct json *v, bool pretty, const char *want)
{
    struct str_buf b = STR_BUF(1 << 20);
    json_write(v, pretty, &b);
    assert_string_equal(str_buf_text(&b), want);
    str_buf_free(&b);
    json_free(v);
}

static bool note_key(const char *key, const struct json *v, void *ctx)
{
    struct str_buf *b = ctx;
    str_buf_printf(b, "%s=%g ", key, json_number(v, -1));
    return strcmp(key, "m") != 0;
}

static void documents_are_read(void **state)
{
    (void)state;
    struct json *v = parse("{\"z\": 1, \"a\": [true, null, \"x\", 2.5], \"m\": 3, \"last\": 4}");
    const struct json *a = json_get(v, "a");
    assert_int_equal(json_kind(v), JSON_OBJECT);
    assert_int_equal(json_len(v), 4);
    assert_int_equal(json_kind(a), JSON_ARRAY);
    assert_int_equal(json_len(a), 4);
    assert_int_equal(json_kind(json_at(a, 0)), JSON_BOOL);
    assert_int_equal(json_kind(json_at(a, 1)), JSON_NULL);
    assert_int_equal(json_kind(json_at(a, 2)), JSON_STRING);
    assert_int_equal(json_kind(json_at(a, 3)), JSON_NUMBER);
    assert_true(json_bool(json_at(a, 0), false));
    assert_string_equal(json_string(json_at(a, 2), "?"), "x");
    struct str_buf b = STR_BUF(100);
    json_each(v, note_key, &b);
    assert_string_equal(str_buf_text(&b), "z=1 a=-1 m=3 ");
    str_buf_free(&b);

    /* Absence and other kinds give the default. */
    assert_null(json_get(v, "absent"));
    assert_null(json_get(a, "z"));
    assert_null(json_get(NULL, "z"));
    assert_null(json_at(a, 4));
    assert_null(json_at(v, 0));
    assert_int_equal(json_kind(NULL), JSON_NULL);
    assert_int_equal(json_len(NULL), 0);
    assert_string_equal(json_string(json_get(v, "z"), "?"), "?");
    assert_true(json_number(json_at(a, 2), 7) == 7.0);
    assert_true(json_bool(json_get(v, "z"), true));
    json_each(NULL, note_key, NULL);
    json_free(v);
    json_free(NULL);
}

static void whole_numbers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_whole;
        int64_t value;
    } cases[] = {
        {"5", true, 5}, {"-5", true, -5}, {"5.0", true, 5}, {"1e3", true, 1000}, {"5.5", false, 0}, {"1e300", false, 0},
        {"9223372036854775807", true, INT64_MAX}, {"9.3e18", false, 0}, {"\"5\"", false, 0}, {"null", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json *v = parse(cases[i].text);
        int64_t x = 0;
        bool is_whole = json_int64(v, &x);
        if (is_whole != cases[i].is_whole || x != cases[i].value)
            fail_msg("%s: %d %lld", cases[i].text, is_whole, (long long)x);
        json_free(v);
    }
}

static void broken_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "t.json:"}, {"{\"a\":1,\n\"a\":2}", "t.json:2:"}, {"[1] x", "t.json:1:"}, {"{a:1}", "t.json:"},
        {"[1,]", "t.json:"}, {"nul", "t.json:"}, {"1e400", "overflow"}, {"99999999999999999999", "big"},
        {"\"\\ud800\"", "t.json:"}, {"\"\xff\"", "t.json:"}, {"\"a\\u0000\"", "t.json:"}, {"'a'", "t.json:"},
        {"NaN", "t.json:"}, {"01", "t.json:"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        struct json *v;
        if (json_parse(str_of(cases[i].text), "t.json", &v, &e))
            fail_msg("accepted: %s", cases[i].text);
        assert_int_equal(e.code, ERR_DATA);
        if (!strstr(e.message, cases[i].part) || strchr(e.message, '\n'))
            fail_msg("%s", e.message);
    }
    char deep[200];
    struct error e = {0};
    struct json *v;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_true(json_parse((struct str){deep + 36, 128}, "deep", &v, &e));
    json_free(v);
    assert_false(json_parse((struct str){deep + 35, 130}, "deep", &v, &e));
    assert_non_null(strstr(e.message, "deeper than 64"));
    v = parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"");
    json_free(v);
}

static void values_are_made_and_written(void **state)
{
    (void)state;
    struct json *o = json_new_object(), *list = json_new_array();
    json_set(o, "schema", json_new_int(1));
    json_set(o, "alpha", list);
    json_append(list, json_new_number(0.1));
    json_append(list, json_new_string("a\"b\\c\n\x01\x7f"));
    json_append(list, json_new_bool(true));
    json_append(list, json_new_string(NULL));
    json_set(o, "empty", json_new_object());
    json_set(o, "none", json_new_array());
    json_set(o, "alpha2", json_copy(list));
    json_set(o, "schema", json_new_int(2));
    struct json *copy = json_copy(o);
    check_written(o, false,
                  "{\"schema\": 2, \"alpha\": [0.1, \"a\\\"b\\\\c\\n\\u0001\\u007f\", true, null], \"empty\": {}, "
                  "\"none\": [], \"alpha2\": [0.1, \"a\\\"b\\\\c\\n\\u0001\\u007f\", true, null]}");
    json_free(copy);
    check_written(parse("{\"a\":[1,{\"b\":2}],\"c\":{}}"), true,
                  "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": {}\n}\n");
    check_written(json_copy(NULL), false, "null");
    check_written(json_new_string("gr\xc3\xbc\xff\xc3"), false, "\"gr\xc3\xbc\\\\xff\\\\xc3\"");
    struct json *odd_key = json_new_object();
    json_set(odd_key, "\xfe", json_new_int(INT64_MIN));
    check_written(odd_key, false, "{\"\\\\xfe\": -9223372036854775808}");
}

static void reals_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"}, {5, "5"}, {1e300, "1e+300"}, {-2.5, "-2.5"}, {0, "0"},
        {-0.0, "-0.0"}, {5e-324, "4.94065645841247e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
        {NAN, "null"}, {INFINITY, "null"}, {-INFINITY, "null"}, {0.30000000000000004, "0.30000000000000004"},
        {123456789.125, "123456789.125"}, {1e15, "1e+15"}, {0.7654321, "0.7654321"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_written(json_new_number(cases[i].x), false, cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_read),
        cmocka_unit_test(whole_numbers_are_told_apart),
        cmocka_unit_test(broken_texts_are_refused_with_their_place),
        cmocka_unit_test(values_are_made_and_written),
        cmocka_unit_test(reals_are_short_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
