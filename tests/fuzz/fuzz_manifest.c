#include "fuzz.h"

#include <string.h>

#include "store/backend.h"
#include "store/manifest.h"

/* A manifest from a store that somebody else can write: nothing in it may lead outside the version's own folder. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *m = NULL;
    bool is_newer = false;
    char why[256] = "";

    if (!manifest_parse((struct str){(const char *)data, size}, NULL, &m, &is_newer, why)) {
        PROMISE(is_newer || (why[0] && str_is_utf8(str_of(why))));
        PROMISE(!m);
        return 0;
    }
    const char *version = manifest_version(m);
    PROMISE(version_is_valid(version) && manifest_order(m, m) == 0);
    const struct json *artifacts = json_get(m, "artifacts");
    for (size_t i = 0; i < json_len(artifacts); i++) {
        const struct json *one = json_at(artifacts, i);
        const char *key = json_string(json_get(one, "key"), "");
        PROMISE(store_key_is_valid(key) && str_starts(str_of(key), "versions/"));
        PROMISE(strncmp(key + strlen("versions/"), version, strlen(version)) == 0);
    }
    json_free(m);
    return 0;
}
