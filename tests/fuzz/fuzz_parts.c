#include "fuzz.h"

#include <string.h>

#include "store/s3_parts.h"

/* Whatever a server lists: only parts of the plan, with ETags that may stand in a request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct s3_store s = {.part_bytes = 100};
    struct store_file f = {.size_bytes = 250};
    struct s3_upload u;
    const char *marker;

    PROMISE(s3_upload_plan(&u, &s, "k", &f, &e) && u.n_parts == 3);
    if (!s3_read_parts(&u, (struct str){(const char *)data, size}, &a, &marker, &e))
        PROMISE(e.code == ERR_STORE && e.message[0] && str_is_utf8(str_of(e.message)));
    for (int i = 0; i < u.n_parts; i++) {
        const char *etag = u.parts[i].etag;
        PROMISE(memchr(etag, 0, S3_ETAG_BYTES) && !strpbrk(etag, "<>& \r\n"));
    }
    s3_upload_free(&u);
    arena_free(&a);
    return 0;
}
