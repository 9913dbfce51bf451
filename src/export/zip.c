/* Records and field offsets: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14
 * and 4.3.15 (64-bit end record and its locator), 4.3.16 (end record), 4.5.3 (64-bit extra field). */
#include "export/zip.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20, COMMENT_MAX = 65535 };
enum { LOCAL_MAGIC = 0x04034b50, CENTRAL_MAGIC = 0x02014b50, END_MAGIC = 0x06054b50, END64_MAGIC = 0x06064b50,
       LOCATOR_MAGIC = 0x07064b50 };
enum { FLAG_ENCRYPTED = 1, METHOD_STORED = 0, EXTRA_ZIP64 = 1 };
#define IN_EXTRA 0xffffffffu /* "see the 64-bit extra field" */

static uint64_t number(const char *p, int n_bytes)
{
    uint64_t v = 0;
    for (int i = n_bytes - 1; i >= 0; i--)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static bool has(struct str bytes, uint64_t at, uint64_t n)
{
    return at <= bytes.n && n <= bytes.n - at;
}

bool zip_is(struct str bytes)
{
    return bytes.n >= 4 && (number(bytes.p, 4) == LOCAL_MAGIC || number(bytes.p, 4) == END_MAGIC);
}

/* Where the central directory lies. The end record is the last one of its mark, before a comment of at most 64 kB. */
struct directory {
    uint64_t n_entries, at, size;
};

static bool find_directory(struct str bytes, const char *what, struct directory *d, struct error *e)
{
    size_t least = bytes.n > END_BYTES + COMMENT_MAX ? bytes.n - END_BYTES - COMMENT_MAX : 0, at = bytes.n;
    const char *end = NULL;
    if (bytes.n >= END_BYTES)
        for (at = bytes.n - END_BYTES + 1; !end && at-- > least;)
            if (number(bytes.p + at, 4) == END_MAGIC)
                end = bytes.p + at;
    if (!end)
        return fail(e, ERR_DATA, "%s: the zip archive has no end: the file is cut off", what);
    *d = (struct directory){number(end + 10, 2), number(end + 16, 4), number(end + 12, 4)};
    if (at >= LOCATOR_BYTES && number(end - LOCATOR_BYTES, 4) == LOCATOR_MAGIC) {
        uint64_t wide = number(end - LOCATOR_BYTES + 8, 8);
        if (!has(bytes, wide, END64_BYTES) || number(bytes.p + wide, 4) != END64_MAGIC)
            return fail(e, ERR_DATA, "%s: the zip archive's 64-bit end record is not where it should be", what);
        *d = (struct directory){number(bytes.p + wide + 32, 8), number(bytes.p + wide + 48, 8), number(bytes.p + wide + 40, 8)};
    }
    if (!has(bytes, d->at, d->size))
        return fail(e, ERR_DATA, "%s: the zip archive's directory lies outside the file", what);
    if (d->n_entries > ZIP_MAX_ENTRIES || d->n_entries > d->size / CENTRAL_BYTES)
        return fail(e, ERR_DATA, "%s: a zip archive of %llu entries: more than its directory can hold, or than %d", what,
                    (unsigned long long)d->n_entries, ZIP_MAX_ENTRIES);
    return true;
}

/* Takes the next 64-bit number of the extra field for a value that did not fit its own 32 bits. */
static bool widen(uint64_t *value, struct str *extra)
{
    if (*value != IN_EXTRA)
        return true;
    if (extra->n < 8)
        return false;
    *value = number(extra->p, 8);
    *extra = str_slice(*extra, 8, extra->n);
    return true;
}

static struct str zip64_extra(struct str extra)
{
    while (extra.n >= 4) {
        size_t n = (size_t)number(extra.p + 2, 2);
        if (number(extra.p, 2) == EXTRA_ZIP64)
            return str_slice(extra, 4, 4 + n);
        extra = str_slice(extra, 4 + n, extra.n);
    }
    return (struct str){0};
}

/* Reads the directory's entry at *at and steps over it. */
static bool read_entry(struct str bytes, const char *what, uint64_t *at, uint64_t end, struct zip_entry *out, struct error *e)
{
    const char *c = bytes.p + *at;
    if (end - *at < CENTRAL_BYTES || number(c, 4) != CENTRAL_MAGIC)
        return fail(e, ERR_DATA, "%s: the zip archive's directory is damaged", what);
    uint64_t n_name = number(c + 28, 2), n_extra = number(c + 30, 2), n_all = CENTRAL_BYTES + n_name + n_extra + number(c + 32, 2);
    if (end - *at < n_all)
        return fail(e, ERR_DATA, "%s: the zip archive's directory is cut off", what);
    out->name = (struct str){c + CENTRAL_BYTES, (size_t)n_name};
    out->crc32 = (uint32_t)number(c + 16, 4);
    *at += n_all;

    struct str extra = zip64_extra((struct str){c + CENTRAL_BYTES + n_name, (size_t)n_extra});
    uint64_t size = number(c + 24, 4), packed = number(c + 20, 4), local = number(c + 42, 4);
    if (number(c + 8, 2) & FLAG_ENCRYPTED)
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " is encrypted", what, STR_ARG(out->name));
    if (!widen(&size, &extra) || !widen(&packed, &extra) || !widen(&local, &extra))
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " lacks its 64-bit sizes", what, STR_ARG(out->name));
    if (number(c + 10, 2) != METHOD_STORED || size != packed)
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " is compressed, which PyTorch never does: save the weights again", what,
                    STR_ARG(out->name));
    if (!has(bytes, local, LOCAL_BYTES) || number(bytes.p + local, 4) != LOCAL_MAGIC)
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " is not where the directory says", what, STR_ARG(out->name));
    /* The local header's own name and padding stand before the bytes. */
    uint64_t begin = local + LOCAL_BYTES + number(bytes.p + local + 26, 2) + number(bytes.p + local + 28, 2);
    if (!has(bytes, begin, size))
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " ends beyond the file: it is cut off", what, STR_ARG(out->name));
    out->bytes = (struct str){bytes.p + begin, (size_t)size};
    return true;
}

static int compare(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *pa, const void *pb)
{
    const struct zip_entry *a = pa, *b = pb;
    return compare(a->name, b->name);
}

bool zip_open(struct str bytes, const char *what, struct arena *a, struct zip *out, struct error *e)
{
    struct directory d = {0};
    *out = (struct zip){0};
    if (!find_directory(bytes, what, &d, e))
        return false;
    out->n = (size_t)d.n_entries;
    out->entries = ARENA_NEW(a, struct zip_entry, out->n);
    uint64_t at = d.at;
    for (size_t i = 0; i < out->n; i++)
        if (!read_entry(bytes, what, &at, d.at + d.size, &out->entries[i], e))
            return false;
    if (out->n > 1)
        qsort(out->entries, out->n, sizeof *out->entries, by_name);
    for (size_t i = 1; i < out->n; i++) /* which of the two counts would depend on the reader */
        if (str_eq(out->entries[i - 1].name, out->entries[i].name))
            return fail(e, ERR_DATA, "%s: two entries of the name " STR_FMT, what, STR_ARG(out->entries[i].name));
    return true;
}

struct zip_entry *zip_find(const struct zip *z, struct str name)
{
    struct zip_entry key = {.name = name};
    return z->n ? bsearch(&key, z->entries, z->n, sizeof key, by_name) : NULL;
}

/* ISO 3309's polynomial, bits reversed; half a byte at a time needs a table of 16. */
static uint32_t crc32_of(struct str bytes)
{
    uint32_t table[16], crc = 0xffffffff;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
    }
    for (size_t i = 0; i < bytes.n; i++) {
        crc ^= (unsigned char)bytes.p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool zip_check(struct zip_entry *entry, const char *what, struct error *e)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* a fuzzer does not find checksums, and would see nothing behind them */
    entry->is_checked = true;
#endif
    if (!entry->is_checked && crc32_of(entry->bytes) != entry->crc32)
        return fail(e, ERR_DATA, "%s: entry " STR_FMT " does not have its checksum: the file is damaged", what, STR_ARG(entry->name));
    entry->is_checked = true;
    return true;
}
