#include "fuzz.h"

#include <string.h>

#include "store/history.h"
#include "store/manifest.h"

/* history.jsonl from a store that somebody else can write: `rollback` goes to published versions only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *moves = history_parse((struct str){(const char *)data, size}), *published = json_new_array();
    for (int i = 3; i > 0; i--) {
        const char name[] = {'v', (char)('0' + i), 0};
        struct json *m = json_new_object();
        json_set(m, "version", json_new_string(name));
        json_append(published, m);
    }
    for (size_t i = 0; i < json_len(moves); i++) {
        const char *to = json_string(json_get(json_at(moves, i), "to"), "");
        PROMISE(version_is_valid(to) && history_was_latest(moves, to));
    }
    const char *previous = history_previous(moves, published, "v2");
    PROMISE(!previous || !strcmp(previous, "v1") || !strcmp(previous, "v3"));
    PROMISE(!previous || !history_rolled_back(moves, previous));
    json_free(moves);
    json_free(published);
    return 0;
}
