#include "fuzz.h"

#include <string.h>

#include "store/s3_list.h"

#define LIMIT 50

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct s3_listing l = {.skip = "team/"};
    const char *token;

    if (s3_read_page((struct str){(const char *)data, size}, &l, LIMIT, &a, &token, &e)) {
        PROMISE(!token || token[0]);
        for (size_t i = 0; i < l.n; i++)
            PROMISE(store_key_is_valid(l.keys[i]));
    } else {
        PROMISE(e.code == ERR_STORE && e.message[0] && str_is_utf8(str_of(e.message)));
    }
    PROMISE(l.n <= LIMIT);
    mem_free(l.keys);
    arena_free(&a);
    return 0;
}
