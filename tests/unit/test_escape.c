#include "unit.h"

#include "report/escape.h"

static void check(void (*fn)(struct str_buf *, const char *, size_t), const char *in, size_t max, const char *want)
{
    struct str_buf out = STR_BUF(1 << 16);
    fn(&out, in, max);
    assert_string_equal(str_buf_text(&out), want);
    str_buf_free(&out);
}

static void markdown_markup_is_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"cat", "cat"},
        {"a|b", "a\\|b"},
        {"<script>", "&lt;script&gt;"},
        {"`x`", "\\`x\\`"},
        {"*a* _b_", "\\*a\\* \\_b\\_"},
        {"[x](http://y)", "\\[x\\](http&#58;//y)"},
        {"@everyone", "@\u200Beveryone"},
        {"::error::x", "&#58;:error&#58;:x"},
        {"##[error]x", "\\#\\#\\[error\\]x"},
        {"note: a", "note: a"},
        {"a\nb\r\tc", "a b  c"},
        {"&lt;", "&amp;lt;"},
        {"back\\slash", "back\\\\slash"},
        {"~~x~~ $y$ !z", "\\~\\~x\\~\\~ \\$y\\$ \\!z"},
        {"naïve 猫", "naïve 猫"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(escape_markdown, cases[i][0], 100, cases[i][1]);
}

static void html_markup_is_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\" onload='x'", "&quot; onload=&#39;x&#39;"},
        {"a&b", "a&amp;b"},
        {"a\x01\x7f\nb", "a   b"},
        {"\u202Etxt.exe\u200B", "txt.exe"},
        {"\xFF\xC0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"cut \xF0\x9F", "cut \uFFFD\uFFFD"},
        {"\U0001F600", "\U0001F600"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(escape_html, cases[i][0], 100, cases[i][1]);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    check(escape_html, "abcdef", 6, "abcdef");
    check(escape_html, "abcdefg", 6, "abcdef\u2026");
    check(escape_markdown, "猫猫猫", 2, "猫猫\u2026");
    check(escape_markdown, "||", 1, "\\|\u2026");
    check(escape_markdown, NULL, 5, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_markup_is_text),
        cmocka_unit_test(html_markup_is_text),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
