#include <string.h>

#include "unit.h"

#include "core/str.h"

static void text_grows(void **state)
{
    (void)state;
    struct str_buf b = STR_BUF(1 << 20);
    assert_string_equal(str_buf_text(&b), "");
    str_buf_adds(&b, "a");
    str_buf_addc(&b, 'b');
    str_buf_addn(&b, "c\0d", 3);
    str_buf_add(&b, STR_LIT("e"));
    str_buf_add(&b, (struct str){0});
    str_buf_printf(&b, "%d%s", 42, "!");
    assert_int_equal(b.n, 9);
    assert_memory_equal(b.p, "abc\0de42!", 10);
    assert_true(str_eq(str_buf_view(&b), (struct str){"abc\0de42!", 9}));
    for (int i = 0; i < 10000; i++)
        str_buf_printf(&b, "%d,", i);
    assert_false(b.overflow);
    assert_int_equal(strlen(b.p + 4), b.n - 4);
    str_buf_clear(&b);
    assert_string_equal(str_buf_text(&b), "");
    str_buf_free(&b);
    assert_null(b.p);
    assert_int_equal(b.ceiling, 1 << 20);
}

static void the_ceiling_holds(void **state)
{
    (void)state;
    struct str_buf b = STR_BUF(10);
    str_buf_adds(&b, "12345");
    str_buf_adds(&b, "67890");
    assert_false(b.overflow);
    str_buf_addc(&b, 'x');
    assert_true(b.overflow);
    assert_string_equal(str_buf_text(&b), "1234567890");
    str_buf_clear(&b);
    assert_false(b.overflow);
    str_buf_printf(&b, "%s", "longer than ten");
    assert_true(b.overflow);
    assert_string_equal(str_buf_text(&b), "");
    str_buf_addn(&b, "x", SIZE_MAX);
    assert_true(b.overflow);
    str_buf_free(&b);

    struct str_buf none = STR_BUF(0);
    str_buf_adds(&none, "");
    assert_false(none.overflow);
    str_buf_adds(&none, "x");
    assert_true(none.overflow);
    str_buf_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_grows), cmocka_unit_test(the_ceiling_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
