/* Python's repr of class names. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quotes_as_python_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
