#include "core/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/hash.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define REDZONE ARENA_ALIGN
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define REDZONE 0
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

#define CHUNK_LEAST ((size_t)64 << 10)
#define CHUNK_GROWTH_MOST ((size_t)16 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

/* The head of a chunk; its memory follows at the next multiple of ARENA_ALIGN. */
struct arena_block {
    struct arena_block *next;
    size_t cap, used; /* of the memory behind the head */
};
#define HEAD ARENA_ALIGN
_Static_assert(sizeof(struct arena_block) <= HEAD, "a chunk's head must fit before its memory");

static _Noreturn void out_of_memory(const char *what, size_t size)
{
    fprintf(stderr, "retrain: out of memory: %s asked for %zu bytes\n", what, size);
    abort();
}

static size_t round_up(size_t n, size_t to)
{
    if (n > SIZE_MAX - to)
        out_of_memory("arena", n);
    return (n + to - 1) / to * to;
}

static struct arena_block *chunk_new(size_t cap)
{
    bool is_huge = cap >= 2 * HUGE_PAGE;
    size_t align = is_huge ? HUGE_PAGE : ARENA_ALIGN;
    size_t total = round_up(round_up(cap, ARENA_ALIGN) + HEAD, is_huge ? HUGE_PAGE : ARENA_ALIGN);
    struct arena_block *b = aligned_alloc(align, total);
    if (!b)
        out_of_memory("arena", total);
    if (is_huge)
        (void)madvise(b, total, MADV_HUGEPAGE); /* activations are walked end to end: fewer TLB misses; a mere hint */
    *b = (struct arena_block){.cap = total - HEAD};
    POISON((char *)b + HEAD, b->cap);
    return b;
}

static void chunk_free(struct arena_block *b)
{
    UNPOISON((char *)b + HEAD, b->cap);
    free(b);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t room = round_up(size, ARENA_ALIGN) + REDZONE;
    struct arena_block *b = a->blocks;
    if (!b || b->cap - b->used < room) {
        size_t cap = b ? b->cap : CHUNK_LEAST / 2;
        cap = cap < CHUNK_GROWTH_MOST / 2 ? 2 * cap : CHUNK_GROWTH_MOST;
        b = chunk_new(cap > room ? cap : room);
        b->next = a->blocks;
        a->blocks = b;
    }
    char *p = (char *)b + HEAD + b->used;
    b->used += room;
    a->used_bytes += size;
    UNPOISON(p, size);
    memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n)
        memcpy(copy, s, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0)
        BUG("arena_printf: bad format \"%s\"", fmt);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

/* One chunk as large as all together stays, so an arena that is reset once a step soon asks the system for nothing. */
void arena_reset(struct arena *a)
{
    struct arena_block *b = a->blocks;
    a->used_bytes = 0;
    if (!b)
        return;
    if (!b->next) {
        b->used = 0;
        POISON((char *)b + HEAD, b->cap);
        return;
    }
    size_t cap = 0;
    for (struct arena_block *next; b; b = next) {
        next = b->next;
        cap += b->cap;
        chunk_free(b);
    }
    a->blocks = chunk_new(cap);
}

void arena_wipe(struct arena *a)
{
    for (struct arena_block *b = a->blocks; b; b = b->next) {
        UNPOISON((char *)b + HEAD, b->used);
        secure_wipe((char *)b + HEAD, b->used);
    }
    arena_free(a);
}

void arena_free(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        chunk_free(b);
    }
    *a = (struct arena){0};
}

void *mem_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        out_of_memory("mem_alloc", size);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q)
        out_of_memory("mem_resize", size);
    return q;
}

void mem_free(void *p)
{
    free(p);
}

size_t mem_mul(size_t a, size_t b)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        fprintf(stderr, "retrain: out of memory: %zu times %zu bytes\n", a, b);
        abort();
    }
    return product;
}
