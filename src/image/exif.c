#include "image/exif.h"

#include <string.h>

/* TIFF inside EXIF: "II" or "MM" says the byte order, offsets count from there.
 * Source: EXIF 2.3 (CIPA DC-008), TIFF 6.0. */
enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_BYTES = 12 };

struct tiff {
    const uint8_t *p;
    size_t n;
    bool is_big;
};

/* False when `at` leaves the segment. */
static bool read_u16(const struct tiff *t, size_t at, unsigned *out)
{
    if (at > t->n || t->n - at < 2)
        return false;
    const uint8_t *p = t->p + at;
    *out = t->is_big ? (unsigned)(p[0] << 8 | p[1]) : (unsigned)(p[1] << 8 | p[0]);
    return true;
}

static bool read_u32(const struct tiff *t, size_t at, size_t *out)
{
    unsigned a, b;
    if (at > t->n || !read_u16(t, at, &a) || !read_u16(t, at + 2, &b))
        return false;
    *out = t->is_big ? (size_t)a << 16 | b : (size_t)b << 16 | a;
    return true;
}

int exif_orientation(struct str segment)
{
    if (segment.n < 14 || memcmp(segment.p, "Exif\0\0", 6) != 0)
        return 1;
    struct tiff t = {(const uint8_t *)segment.p + 6, segment.n - 6, segment.p[6] == 'M'};
    unsigned magic, n_entries;
    size_t ifd;
    if (memcmp(t.p, "II", 2) != 0 && memcmp(t.p, "MM", 2) != 0)
        return 1;
    if (!read_u16(&t, 2, &magic) || magic != 42 || !read_u32(&t, 4, &ifd) || !read_u16(&t, ifd, &n_entries))
        return 1;

    for (unsigned i = 0; i < n_entries; i++) {
        size_t entry = ifd + 2 + (size_t)i * ENTRY_BYTES;
        unsigned tag, type, value;
        if (!read_u16(&t, entry, &tag) || !read_u16(&t, entry + 2, &type) || !read_u16(&t, entry + 8, &value))
            return 1; /* the table runs out of the segment */
        if (tag == TAG_ORIENTATION)
            return type == TYPE_SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
