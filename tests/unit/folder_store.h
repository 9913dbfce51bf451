/* A store in a throw-away folder, made for each test and removed after it. */
#ifndef TESTS_FOLDER_STORE_H
#define TESTS_FOLDER_STORE_H

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "core/fs.h"
#include "store/store.h"

static char folder[64]; /* the store is "m" in it */
static struct arena arena;
static struct error err;
static struct store *store;

static inline void check(bool ok)
{
    if (!ok)
        fail_msg("%s", err.message);
}

/* One more of it, as another process has one. */
static inline struct store *open_store(void)
{
    struct store_options o = {.url = "file://m", .workspace = folder};
    struct store *s = NULL;
    check(store_open(&o, &s, &err));
    return s;
}

static int set_up_store(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/retrain-test-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    store = open_store();
    return 0;
}

static int tear_down_store(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    arena_free(&arena);
    return fs_remove_tree(folder, &err) ? 0 : -1;
}

#endif
