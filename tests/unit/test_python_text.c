/* Class names as Python literals, written and read. */
#include <string.h>

#include "unit.h"

#include "export/python_text.h"

static void quotes_as_python_does(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT(""), "''"},
        {STR_LIT("cat"), "'cat'"},
        {STR_LIT("it's"), "\"it's\""},
        {STR_LIT("a \"b\""), "'a \"b\"'"},
        {STR_LIT("it's \"b\""), "'it\\'s \"b\"'"},
        {STR_LIT("back\\slash"), "'back\\\\slash'"},
        {STR_LIT("a\nb\tc\rd"), "'a\\nb\\tc\\rd'"},
        {STR_LIT("\x01\x1f\x7f"), "'\\x01\\x1f\\x7f'"},
        {STR_LIT("ç é 猫 \xf0\x9f\x90\xb1"), "'ç é 猫 \xf0\x9f\x90\xb1'"},
        {STR_LIT("\xc2\x80\xc2\xa0\xc2\xad"), "'\\x80\\xa0\\xad'"},
        {STR_LIT("\xe2\x80\xa8\xef\xbb\xbf"), "'\\u2028\\ufeff'"},
        {STR_LIT("\xff\xfe'"), "\"\\xff\\xfe'\""}, /* not UTF-8: every high byte is shown */
        {STR_LIT("}, 'x': {"), "\"}, 'x': {\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str_buf b = STR_BUF(1 << 10);
        python_repr(rows[i].in, &b);
        assert_string_equal(str_buf_text(&b), rows[i].want);
        str_buf_free(&b);
    }
}

/* want: the names with | between; NULL: refused */
static void reads_names(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT("{0: 'cat', 1: \"it's\"}"), "cat|it's"},
        {STR_LIT(" { 0:'cat' ,1 : 'dog' } "), "cat|dog"},
        {STR_LIT("['a', 'b']"), "a|b"},
        {STR_LIT("['']"), ""},
        {STR_LIT("['\\\\ \\' \\\" \\n\\r\\t']"), "\\ ' \" \n\r\t"},
        {STR_LIT("['\\x41\\xe7 \\u2028 \\U0001F431 ç']"), "A\xc3\xa7 \xe2\x80\xa8 \xf0\x9f\x90\xb1 ç"},
        {STR_LIT(""), NULL},
        {STR_LIT("[]"), NULL},
        {STR_LIT("{}"), NULL},
        {STR_LIT("{1: 'a'}"), NULL},
        {STR_LIT("{0: 'a', 2: 'b'}"), NULL},
        {STR_LIT("{0 'a'}"), NULL},
        {STR_LIT("{0: 'a' 1: 'b'}"), NULL},
        {STR_LIT("{0: 'a',}"), NULL}, /* Python would take it, but never writes it */
        {STR_LIT("{0: 'a'"), NULL},
        {STR_LIT("{0: 'a"), NULL},
        {STR_LIT("{0: a}"), NULL},
        {STR_LIT("{0: 'a'}]"), NULL},
        {STR_LIT("['a'}"), NULL},
        {STR_LIT("['\\"), NULL},
        {STR_LIT("['\\q']"), NULL},
        {STR_LIT("['\\x4']"), NULL},
        {STR_LIT("['\\x00']"), NULL},
        {STR_LIT("['\\ud800']"), NULL},
        {STR_LIT("['\\U00110000']"), NULL},
        {STR_LIT("['\xff']"), NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json *list = NULL;
        bool ok = python_names(rows[i].in, &list);
        if (ok != (rows[i].want != NULL))
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(rows[i].in));
        struct str_buf b = STR_BUF(1 << 10);
        for (size_t k = 0; ok && k < json_len(list); k++)
            str_buf_printf(&b, "%s%s", k ? "|" : "", json_string(json_at(list, k), "?"));
        if (ok)
            assert_string_equal(str_buf_text(&b), rows[i].want);
        str_buf_free(&b);
        json_free(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quotes_as_python_does), cmocka_unit_test(reads_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
