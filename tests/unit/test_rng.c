#include <math.h>

#include "unit.h"

#include "core/rng.h"

/* Known answers of Random123 (kat_vectors, "philox4x32 10"). */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rng r = {.key = {cases[i].key[0], cases[i].key[1]}};
        for (int k = 0; k < 4; k++)
            r.counter[k] = cases[i].counter[k];
        for (int k = 0; k < 4; k++)
            if (rng_u32(&r) != cases[i].out[k])
                fail_msg("vector %zu, word %d", i, k);
    }
}

static void places_are_independent_and_repeatable(void **state)
{
    (void)state;
    struct rng a = rng_at(7, RNG_AUGMENT, 3, 11), again = rng_at(7, RNG_AUGMENT, 3, 11);
    struct rng others[] = {rng_at(8, RNG_AUGMENT, 3, 11), rng_at(7, RNG_SHUFFLE, 3, 11), rng_at(7, RNG_AUGMENT, 4, 11),
                           rng_at(7, RNG_AUGMENT, 3, 12), rng_at(7 + (1ull << 32), RNG_AUGMENT, 3, 11)};
    int n_same = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = rng_u32(&a);
        assert_true(x == rng_u32(&again));
        for (size_t k = 0; k < COUNT(others); k++)
            n_same += x == rng_u32(&others[k]);
    }
    assert_int_equal(n_same, 0); /* 500 pairs: one equal by chance in 8 million such tests */
}

static void ranges_hold(void **state)
{
    (void)state;
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        float u = rng_unit(&r), x = rng_range(&r, -1.0f, 1.0f), narrow = rng_range(&r, 1.0f, 1.0000001f);
        assert_true(u >= 0 && u < 1 && x >= -1 && x < 1 && narrow >= 1.0f && narrow < 1.0000001f);
        sum += (double)u;
    }
    /* The mean's standard deviation is sqrt(1/12/1e5) = 9.1e-4; five of them. */
    assert_true(fabs(sum / 1e5 - 0.5) <= 5 * 9.2e-4);
    assert_true(rng_range(&r, 2.0f, 2.0f) == 2.0f);
}

static void below_is_even(void **state)
{
    (void)state;
    struct rng r = rng_at(2, RNG_TEST, 0, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[rng_below(&r, 7)]++;
    double chi = 0;
    for (int i = 0; i < 7; i++)
        chi += pow(counts[i] - 10000, 2) / 10000;
    assert_true(chi <= 27.9); /* six degrees of freedom, one in 10 000 */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rng_below(&r, 1), 0);
        assert_true(rng_below(&r, 3000000000u) < 3000000000u);
    }
}

static void shuffling_permutes(void **state)
{
    (void)state;
    int items[100], seen[100] = {0}, n_moved = 0;
    for (int i = 0; i < 100; i++)
        items[i] = i;
    struct rng r = rng_at(3, RNG_SHUFFLE, 0, 0);
    rng_shuffle(&r, items, 100);
    for (int i = 0; i < 100; i++) {
        seen[items[i]]++;
        n_moved += items[i] != i;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(n_moved > 80);
    rng_shuffle(&r, items, 0);
    rng_shuffle(&r, items, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers), cmocka_unit_test(places_are_independent_and_repeatable),
        cmocka_unit_test(ranges_hold),                    cmocka_unit_test(below_is_even),
        cmocka_unit_test(shuffling_permutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
