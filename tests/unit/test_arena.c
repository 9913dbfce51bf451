#include <stdint.h>
#include <string.h>

#include "unit.h"

#include "core/arena.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(p) __asan_address_is_poisoned(p)
#else
#define IS_POISONED(p) ((void)(p), -1)
#endif

static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 65535, 65536, 70000, 3 << 20, 5 << 20};

static void blocks_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = {0};
    for (int round = 0; round < 3; round++) {
        unsigned char *blocks[COUNT(sizes)];
        size_t sum = 0;
        for (size_t i = 0; i < COUNT(sizes); i++) {
            blocks[i] = arena_alloc(&a, sizes[i]);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % ARENA_ALIGN, 0);
            for (size_t k = 0; k < sizes[i]; k++)
                if (blocks[i][k])
                    fail_msg("round %d, size %zu: byte %zu is not zero", round, sizes[i], k);
            memset(blocks[i], (int)i + 1, sizes[i]);
            sum += sizes[i];
        }
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (size_t k = 0; k < sizes[i]; k++)
                if (blocks[i][k] != i + 1)
                    fail_msg("size %zu: byte %zu was overwritten", sizes[i], k);
        assert_true(a.used_bytes == sum);
        arena_reset(&a);
        assert_true(a.used_bytes == 0);
    }
    arena_free(&a);
    assert_null(a.blocks);
    arena_free(&a);
    arena_reset(&a);
}

static void the_byte_behind_a_block_is_poisoned(void **state)
{
    (void)state;
    struct arena a = {0};
    char *p = arena_alloc(&a, 100), *q = arena_alloc(&a, 64);
    if (IS_POISONED(p + 100) < 0) {
        arena_free(&a);
        skip();
    }
    assert_true(IS_POISONED(p + 100));
    assert_true(IS_POISONED(p + 127));
    assert_true(IS_POISONED(q + 64));
    assert_false(IS_POISONED(p + 99));
    arena_reset(&a);
    assert_true(IS_POISONED(p)); /* use after reset */
    p = arena_alloc(&a, 10);
    assert_false(IS_POISONED(p + 9));
    assert_true(IS_POISONED(p + 10));
    arena_free(&a);
}

/* After the first round an arena that is reset and filled in the same way holds one chunk and keeps it. */
static void a_reset_arena_settles(void **state)
{
    (void)state;
    struct arena a = {0};
    struct arena_block *settled = NULL;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            arena_alloc(&a, 10000);
        if (round == 1)
            settled = a.blocks;
        if (round > 1)
            assert_ptr_equal(a.blocks, settled);
        arena_reset(&a);
    }
    arena_free(&a);
}

static void text_is_copied_and_formatted(void **state)
{
    (void)state;
    struct arena a = {0};
    assert_string_equal(arena_strdup(&a, "dataset"), "dataset");
    assert_string_equal(arena_strndup(&a, "dataset", 4), "data");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s-%03d", "x", 7), "x-007");
    char *long_text = arena_printf(&a, "%0200000d", 1);
    assert_int_equal(strlen(long_text), 200000);
    arena_free(&a);
}

static void arrays_grow(void **state)
{
    (void)state;
    int *items = NULL;
    size_t n = 0, cap = 0;
    for (; n < 1000; n++) {
        MEM_GROW(items, n, cap);
        items[n] = (int)n;
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(items[i], (int)i);
    assert_true(cap >= n && cap < 2 * n + 16);
    mem_free(items);
    char *p = mem_alloc(0);
    assert_non_null(p);
    p = mem_resize(p, 0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
    assert_true(mem_mul(0, SIZE_MAX) == 0);
    assert_true(mem_mul(1u << 20, 1u << 10) == 1u << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_aligned_and_apart), cmocka_unit_test(the_byte_behind_a_block_is_poisoned),
        cmocka_unit_test(a_reset_arena_settles),               cmocka_unit_test(text_is_copied_and_formatted),
        cmocka_unit_test(arrays_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
