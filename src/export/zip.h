/* Zip archives whose entries are stored, not compressed: as much as PyTorch's files need. Reads the central directory
 * (local headers may lack sizes) with its 64-bit forms. Every place is checked against the file before it is used. */
#ifndef EXPORT_ZIP_H
#define EXPORT_ZIP_H

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

#define ZIP_MAX_ENTRIES 100000

struct zip_entry {
    struct str name, bytes; /* views into the archive */
    uint32_t crc32;
    bool is_checked; /* against crc32 */
};

struct zip {
    struct zip_entry *entries; /* by name */
    size_t n;
};

bool zip_is(struct str bytes); /* begins as an archive does */

/* ERR_DATA: no archive, cut off, compressed or encrypted entries, two of one name. `what` names the file in errors.
 * The list lives in the arena, its views in `bytes`. */
MUST_CHECK bool zip_open(struct str bytes, const char *what, struct arena *a, struct zip *out, struct error *e);

/* NULL when absent. */
struct zip_entry *zip_find(const struct zip *z, struct str name);

/* Compares the entry's bytes with its checksum, the first time it is called for it. ERR_DATA: damaged. */
MUST_CHECK bool zip_check(struct zip_entry *entry, const char *what, struct error *e);

#endif
