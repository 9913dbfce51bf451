/* Memory by lifetime. An arena hands out zeroed blocks and frees them all at once.
 *
 * Three arenas carry the program: run (configuration, dataset index), model (parameters, moments), step
 * (scratch that is reset). Under AddressSanitizer each block is followed by a poisoned redzone.
 * Not thread safe: one arena belongs to one thread at a time. Out of memory aborts with size and place;
 * sizes that come from outside must have been bounded before (mem_mul checks the product).
 *
 *     struct arena run = {0};
 *     float *w = ARENA_NEW(&run, float, n);
 *     arena_free(&run); */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first; NULL = empty. All zero is a valid empty arena. */
    size_t used_bytes;          /* sum of what was asked for */
};

#define ARENA_ALIGN 64 /* every block starts on a cache line, so vector loads never split */

/* Zeroed, aligned to ARENA_ALIGN, never NULL. size may be 0. */
void *arena_alloc(struct arena *a, size_t size);
#define ARENA_NEW(a, type, n) ((type *)arena_alloc((a), mem_mul((n), sizeof(type))))

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list args);

void arena_reset(struct arena *a); /* forget all blocks; the memory stays, as one chunk, for reuse */
void arena_free(struct arena *a);  /* safe on a zeroed arena; leaves it zeroed */
void arena_wipe(struct arena *a);  /* arena_free of one that held secrets: overwritten first */

/* Growing arrays: heap memory that may move. NULL and 0 are fine; never returns NULL for size > 0. */
void *mem_alloc(size_t size); /* zeroed */
void *mem_resize(void *p, size_t size);
void mem_free(void *p);
size_t mem_mul(size_t a, size_t b); /* aborts on overflow */

/* Room for one more element in `items` (heap, capacity doubled); for arrays that grow by push. */
#define MEM_GROW(items, n, cap)                                                                              \
    do {                                                                                                     \
        if ((n) == (cap)) {                                                                                  \
            (cap) = (cap) ? 2 * (cap) : 16;                                                                  \
            (items) = mem_resize((items), mem_mul((cap), sizeof *(items)));                                  \
        }                                                                                                    \
    } while (0)

#endif
