/* malloc and its family for libraries through whose hands secrets go (JSON, XML, HTTP): whatever they free or move is
 * overwritten first. What is handed out is malloc's, with malloc's promises. */
#ifndef CORE_WIPE_H
#define CORE_WIPE_H

#include <stddef.h>

void *wipe_malloc(size_t size);
void *wipe_calloc(size_t n, size_t size);
void *wipe_realloc(void *p, size_t size);
char *wipe_strdup(const char *s);
void wipe_free(void *p);

#endif
