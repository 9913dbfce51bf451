#include <string.h>

#include "unit.h"

#include "core/arena.h"
#include "image/exif.h"

#define HEAD "Exif\0\0"
#define BIG HEAD "MM\0*\0\0\0\x08"
#define LITTLE HEAD "II*\0\x08\0\0\0"

static const struct {
    const char *name;
    const char *bytes;
    size_t n;
    int wanted;
} cases[] = {
#define CASE(name, bytes, wanted)                                                                                      \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, wanted                                                                         \
    }
    CASE("big endian 6", BIG "\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0", 6),
    CASE("little endian 6", LITTLE "\1\0\x12\x01\3\0\1\0\0\0\6\0\0\0", 6),
    CASE("little endian 8", LITTLE "\1\0\x12\x01\3\0\1\0\0\0\x08\0\0\0", 8),
    CASE("second entry", BIG "\0\2\x01\x0f\0\2\0\0\0\4abc\0\x01\x12\0\3\0\0\0\1\0\3\0\0", 3),
    CASE("value 0", BIG "\0\1\x01\x12\0\3\0\0\0\1\0\0\0\0", 1),
    CASE("value 9", BIG "\0\1\x01\x12\0\3\0\0\0\1\0\x09\0\0", 1),
    CASE("wrong type", BIG "\0\1\x01\x12\0\4\0\0\0\1\0\0\0\6", 1),
    CASE("no entries", BIG "\0\0", 1),
    CASE("entries beyond the end", BIG "\xff\xff\x01\x0f\0\3\0\0\0\1\0\6\0\0", 1),
    CASE("entry cut", BIG "\0\1\x01\x12\0\3\0\0\0", 1),
    CASE("directory far away", HEAD "MM\0*\xff\xff\xff\xff\0\1", 1),
    CASE("wrong magic", HEAD "MM\0+\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0", 1),
    CASE("mixed byte order mark", HEAD "MI\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0", 1),
    CASE("not Exif", "http://ns.adobe.com/xap/1.0/\0<x>", 1),
    CASE("empty", "", 1),
};

static void orientations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *exact = mem_alloc(cases[i].n + 1); /* a byte too far is seen by AddressSanitizer but for one */
        memcpy(exact + 1, cases[i].bytes, cases[i].n);
        int got = exif_orientation((struct str){exact + 1, cases[i].n});
        mem_free(exact);
        if (got != cases[i].wanted)
            fail_msg("%s: %d, wanted %d", cases[i].name, got, cases[i].wanted);
    }
}

static void every_prefix_is_safe(void **state)
{
    (void)state;
    for (size_t n = 0; n < cases[3].n; n++) {
        char *exact = mem_alloc(n ? n : 1);
        memcpy(exact, cases[3].bytes, n);
        int got = exif_orientation((struct str){exact, n});
        mem_free(exact);
        if (got != 1 && n < cases[3].n - 4)
            fail_msg("prefix of %zu bytes: %d", n, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orientations),
        cmocka_unit_test(every_prefix_is_safe),
    };
    return cmocka_run_group_tests_name("exif", tests, NULL, NULL);
}
