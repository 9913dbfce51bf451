#include <string.h>

#include "unit.h"

#include "core/error.h"
#include "core/str.h"

static void failing_writes_code_and_message(void **state)
{
    (void)state;
    struct error e = {0};
    assert_false(fail(&e, ERR_DATA, "%s:%d: no box", "a.txt", 3));
    assert_int_equal(e.code, ERR_DATA);
    assert_string_equal(e.message, "a.txt:3: no box");
    assert_false(fail_in(&e, "image %d of %d", 2, 5));
    assert_int_equal(e.code, ERR_DATA);
    assert_string_equal(e.message, "image 2 of 5: a.txt:3: no box");
    error_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(e.message, "");
}

static void arguments_may_be_the_message_itself(void **state)
{
    (void)state;
    struct error e = {0};
    fail(&e, ERR_NET, "timed out");
    fail(&e, ERR_STORE, "after 3 tries: %s", e.message);
    assert_string_equal(e.message, "after 3 tries: timed out");
    fail_in(&e, "again %s", e.message);
    assert_string_equal(e.message, "again after 3 tries: timed out: after 3 tries: timed out");
}

static void a_message_is_one_clean_line(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a\nb\tc\r", "a?b?c?"},         {"\x1b[31mred\x7f", "?[31mred?"}, {"\xc2\x9b" "31m", "?31m"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, {"\xff\xc3", "??"}, {"", "unnamed failure"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        fail(&e, ERR_DATA, "%s", cases[i].in);
        assert_string_equal(e.message, cases[i].out);
    }
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    char text[8001];
    for (size_t shift = 0; shift < 4; shift++) {
        struct error e = {0};
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[8000] = '\0';
        fail(&e, ERR_DATA, "%s", text);
        assert_true(strlen(e.message) > sizeof e.message - 8);
        assert_true(str_is_utf8(str_of(e.message)));
        fail_in(&e, "%s", text);
        assert_true(strlen(e.message) < sizeof e.message);
        assert_true(str_is_utf8(str_of(e.message)));
    }
}

static void codes_have_exit_codes_and_words(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        int exit_code;
        const char *word;
    } cases[] = {
        {ERR_NONE, 0, "none"},    {ERR_INTERNAL, 1, "internal"}, {ERR_CONFIG, 2, "config"}, {ERR_DATA, 3, "dataset"},
        {ERR_STORE, 4, "store"},  {ERR_NET, 4, "network"},       {ERR_GATE, 5, "gate"},     {ERR_DIVERGED, 6, "diverged"},
        {ERR_STOPPED, 1, "stopped"}, {(enum error_code)99, 1, "unknown"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(error_exit_code(cases[i].code), cases[i].exit_code);
        assert_string_equal(error_word(cases[i].code), cases[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_writes_code_and_message),
        cmocka_unit_test(arguments_may_be_the_message_itself),
        cmocka_unit_test(a_message_is_one_clean_line),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(codes_have_exit_codes_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
