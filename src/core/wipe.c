#include "core/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

void *wipe_malloc(size_t size)
{
    return malloc(size);
}

void *wipe_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

void wipe_free(void *p)
{
    if (p)
        secure_wipe(p, malloc_usable_size(p));
    free(p);
}

/* Never in place: realloc would not say whether it left a copy behind. */
void *wipe_realloc(void *p, size_t size)
{
    if (!p)
        return malloc(size);
    if (!size) {
        wipe_free(p);
        return NULL;
    }
    void *q = malloc(size);
    if (!q)
        return NULL;
    size_t had = malloc_usable_size(p);
    memcpy(q, p, had < size ? had : size);
    wipe_free(p);
    return q;
}

char *wipe_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}
