#include "fuzz.h"

#include "export/zip.h"

/* Every entry that was accepted lies in the archive, can be found, and is what its checksum says or is refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct zip z;
    struct str bytes = {(const char *)data, size};
    if (!zip_open(bytes, "fuzz.zip", &a, &z, &e)) {
        PROMISE(e.code == ERR_DATA && e.message[0] && str_is_utf8(str_of(e.message)));
        z.n = 0;
    }
    for (size_t i = 0; i < z.n && i < 50; i++) {
        struct zip_entry *entry = &z.entries[i];
        PROMISE(entry->bytes.p >= bytes.p && entry->bytes.n <= (size_t)(bytes.p + size - entry->bytes.p));
        PROMISE(zip_find(&z, entry->name) == entry);
        struct error damaged = {0};
        PROMISE(zip_check(entry, "fuzz.zip", &damaged) || damaged.code == ERR_DATA);
    }
    arena_free(&a);
    return 0;
}
