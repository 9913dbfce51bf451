/* The wire format, byte by byte; examples of https://protobuf.dev/programming-guides/encoding and the edges. */
#include <string.h>

#include "unit.h"

#include "export/protobuf.h"

static void check(struct str_buf *b, const char *want, size_t n)
{
    if (b->n != n || memcmp(str_buf_text(b), want, n) != 0)
        fail_msg("%zu bytes, wanted %zu", b->n, n);
    str_buf_free(b);
}

static void numbers_take_seven_bits_a_byte(void **state)
{
    (void)state;
    static const struct {
        int field;
        int64_t value;
        const char *want;
        size_t n;
    } rows[] = {
        {1, 150, "\x08\x96\x01", 3},
        {1, 0, "\x08\x00", 2},
        {1, 127, "\x08\x7f", 2},
        {1, 128, "\x08\x80\x01", 3},
        {16, 1, "\x80\x01\x01", 3},
        {2, -1, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {2, INT64_MAX, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str_buf b = PB_MESSAGE;
        pb_int(&b, rows[i].field, rows[i].value);
        check(&b, rows[i].want, rows[i].n);
    }
}

static void texts_and_messages_carry_their_length(void **state)
{
    (void)state;
    struct str_buf b = PB_MESSAGE, inner = PB_MESSAGE, empty = PB_MESSAGE;
    pb_text(&b, 2, "testing");
    check(&b, "\x12\x07testing", 9);
    pb_int(&inner, 1, 150);
    b = PB_MESSAGE;
    pb_message(&b, 3, &inner);
    pb_message(&b, 3, &empty);
    pb_text(&b, 2, "");
    assert_null(inner.p);
    check(&b, "\x1a\x03\x08\x96\x01\x1a\x00\x12\x00", 9);
}

static void announced_bytes_follow(void **state)
{
    (void)state;
    struct str_buf b = PB_MESSAGE;
    pb_begin_bytes(&b, 9, 300);
    check(&b, "\x4a\xac\x02", 3);
}

static void overflow_is_inherited(void **state)
{
    (void)state;
    struct str_buf b = PB_MESSAGE, inner = STR_BUF(2);
    pb_text(&inner, 1, "long");
    assert_true(inner.overflow);
    pb_message(&b, 1, &inner);
    assert_true(b.overflow);
    str_buf_free(&b);
}

static void reads_fields(void **state)
{
    (void)state;
    struct pb_field f;
    struct str rest = STR_LIT("\x08\x96\x01\x12\x07testing\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x88\x1a\x00");
    assert_true(pb_next(&rest, &f));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.value, 150);
    assert_true(pb_next(&rest, &f));
    assert_int_equal(f.number, 2);
    assert_int_equal(f.wire, PB_BYTES);
    assert_true(str_is(f.bytes, "testing"));
    assert_true(pb_next(&rest, &f));
    assert_int_equal(f.wire, PB_FIXED32);
    assert_true(f.value == 0x04030201);
    assert_true(pb_next(&rest, &f));
    assert_int_equal(f.number, 4);
    assert_true(f.value == 0x8807060504030201);
    assert_true(pb_next(&rest, &f));
    assert_int_equal(f.bytes.n, 0);
    assert_false(pb_next(&rest, &f));
    assert_int_equal(rest.n, 0);
}

static void stops_at_damage(void **state)
{
    (void)state;
    static const struct str rows[] = {
        STR_LIT("\x08"),                                             /* no value */
        STR_LIT("\x08\x80"),                                        /* cut off */
        STR_LIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), /* 65 bits */
        STR_LIT("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        STR_LIT("\x12\x05test"),                                     /* longer than the message */
        STR_LIT("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        STR_LIT("\x1d\x01\x02\x03"),
        STR_LIT("\x21\x01\x02\x03\x04\x05\x06\x07"),
        STR_LIT("\x00\x01"), /* field 0 */
        STR_LIT("\x0b\x0c"), /* a group */
        STR_LIT("\x0e\x01"), /* wire type 6 */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pb_field f;
        struct str rest = rows[i];
        if (pb_next(&rest, &f) || rest.n != rows[i].n)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_seven_bits_a_byte),
        cmocka_unit_test(texts_and_messages_carry_their_length),
        cmocka_unit_test(announced_bytes_follow),
        cmocka_unit_test(overflow_is_inherited),
        cmocka_unit_test(reads_fields),
        cmocka_unit_test(stops_at_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
