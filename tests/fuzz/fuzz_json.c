#include "fuzz.h"

#include <string.h>

#include "core/json.h"

/* What was read, written and read again is the same text; jansson's own depth never matters. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = {0};
    struct json *first, *second;
    struct str_buf once = STR_BUF(64u << 20), twice = STR_BUF(64u << 20);
    if (!json_parse((struct str){(const char *)data, size}, "fuzz.json", &first, &e)) {
        PROMISE(e.code == ERR_DATA && e.message[0] && str_is_utf8(str_of(e.message)));
        return 0;
    }
    for (int pretty = 0; pretty < 2; pretty++) {
        str_buf_clear(&once);
        str_buf_clear(&twice);
        json_write(first, pretty, &once);
        PROMISE(json_parse(str_buf_view(&once), "again", &second, &e));
        json_write(second, pretty, &twice);
        PROMISE(str_eq(str_buf_view(&once), str_buf_view(&twice)));
        json_free(second);
    }
    json_free(first);
    str_buf_free(&once);
    str_buf_free(&twice);
    return 0;
}
