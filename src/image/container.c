#include "image/container.h"

#include <string.h>

#include "image/exif.h"
#include "image/image.h"

struct reader {
    const uint8_t *p;
    size_t n;
    const char *what;
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool truncated(const struct reader *r, const char *format, struct error *e)
{
    return fail(e, ERR_DATA,
                "%s: truncated %s: the file ends after %zu bytes, before the image does; copy it again or remove it",
                r->what, format, r->n);
}

static bool damaged(const struct reader *r, const char *format, const char *why, struct error *e)
{
    return fail(e, ERR_DATA, "%s: damaged %s (%s): save the image again or remove it", r->what, format, why);
}

static bool set_size(const struct reader *r, uint64_t w, uint64_t h, struct container *out, struct error *e)
{
    if (w == 0 || h == 0)
        return damaged(r, "image", "its header gives no size", e);
    if (w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE || w * h > IMAGE_MAX_PIXELS)
        return fail(e, ERR_DATA,
                    "%s: %llux%llu is too large: at most %d pixels a side and %u Mpx in all; scale it down", r->what,
                    (unsigned long long)w, (unsigned long long)h, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS >> 20);
    out->w = (int)w;
    out->h = (int)h;
    return true;
}

/* JPEG: ITU T.81 annex B. Markers are FF xx; in entropy-coded data FF is followed by 00 or a restart marker. */
enum {
    SOF0 = 0xC0,
    SOF2 = 0xC2,
    DHT = 0xC4,
    JPG = 0xC8,
    DAC = 0xCC,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    APP1 = 0xE1
};

/* Position of the byte after FF of the next marker at or after `at`; n when there is none. */
static size_t next_marker(const struct reader *r, size_t at)
{
    while (at < r->n) {
        const uint8_t *ff = memchr(r->p + at, 0xFF, r->n - at);
        if (!ff)
            return r->n;
        at = (size_t)(ff - r->p) + 1;
        while (at < r->n && r->p[at] == 0xFF)
            at++;
        if (at < r->n && r->p[at] != 0 && !(r->p[at] >= RST0 && r->p[at] <= RST7))
            return at;
    }
    return r->n;
}

static bool read_frame(const struct reader *r, int marker, const uint8_t *body, size_t n, struct container *out,
                       struct error *e)
{
    if (marker > SOF2)
        return fail(e, ERR_DATA,
                    "%s: this JPEG is lossless, hierarchical or arithmetic-coded, which is not supported: save it as "
                    "an ordinary JPEG",
                    r->what);
    if (n < 6)
        return damaged(r, "JPEG", "short frame header", e);
    if (body[0] != 8)
        return fail(e, ERR_DATA, "%s: a JPEG with %d bits per channel is not supported: save it with 8", r->what,
                    body[0]);
    return set_size(r, be16(body + 3), be16(body + 1), out, e);
}

/* Huffman tables: 16 counts of codes by length, then one byte for each. stb_image up to 2.27 writes past its arrays
 * when they sum to more than 256, so such a file must not reach it. */
static bool check_tables(const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t n_codes = 0;
        if (n < 17)
            return false;
        for (int i = 1; i <= 16; i++)
            n_codes += p[i];
        if (n_codes > 256 || n - 17 < n_codes)
            return false;
        p += 17 + n_codes;
        n -= 17 + n_codes;
    }
    return true;
}

static bool read_jpeg(const struct reader *r, bool whole, struct container *out, struct error *e)
{
    bool has_frame = false, has_scan = false;
    out->kind = CONTAINER_JPEG;
    for (size_t at = next_marker(r, 2); at < r->n; at = next_marker(r, at)) {
        int marker = r->p[at++];
        if (marker == EOI)
            return has_scan || damaged(r, "JPEG", "it holds no image data", e);
        if (marker == SOI || marker == 1)
            continue;
        if (r->n - at < 2)
            break;
        size_t length = be16(r->p + at);
        if (length < 2)
            return damaged(r, "JPEG", "a segment of impossible length", e);
        if (length > r->n - at)
            break;
        const uint8_t *body = r->p + at + 2;
        if (marker >= SOF0 && marker <= 0xCF && marker != DHT && marker != JPG && marker != DAC) {
            if (has_frame)
                return damaged(r, "JPEG", "two frame headers", e);
            if (!read_frame(r, marker, body, length - 2, out, e))
                return false;
            has_frame = true;
        } else if (marker == DHT && !check_tables(body, length - 2)) {
            return damaged(r, "JPEG", "an impossible Huffman table", e);
        } else if (marker == APP1 && out->orientation == 1 && !has_scan) {
            out->orientation = exif_orientation((struct str){(const char *)body, length - 2});
        } else if (marker == SOS) {
            if (!has_frame)
                return damaged(r, "JPEG", "image data before the frame header", e);
            if (!whole)
                return true;
            has_scan = true;
        }
        at += length;
    }
    return truncated(r, "JPEG", e);
}

/* PNG: W3C PNG (second edition), sections 5 and D. */
static uint32_t png_crc(const uint8_t *p, size_t n)
{
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        c = c >> 4 ^ nibble[c & 15];
        c = c >> 4 ^ nibble[c & 15];
    }
    return ~c;
}

static bool read_png(const struct reader *r, bool whole, struct container *out, struct error *e)
{
    out->kind = CONTAINER_PNG;
    if (r->n < 33)
        return truncated(r, "PNG", e);
    if (be32(r->p + 8) != 13 || memcmp(r->p + 12, "IHDR", 4) != 0)
        return damaged(r, "PNG", "it does not start with IHDR", e);
    if (!set_size(r, be32(r->p + 16), be32(r->p + 20), out, e))
        return false;
    if (!whole)
        return true;
    for (size_t at = 8; at < r->n;) {
        if (r->n - at < 12)
            break;
        size_t length = be32(r->p + at);
        if (length > r->n - at - 12)
            break;
        const uint8_t *type = r->p + at + 4;
        if (png_crc(type, length + 4) != be32(type + 4 + length))
            return damaged(r, "PNG", "a checksum does not match", e);
        if (memcmp(type, "IEND", 4) == 0)
            return true;
        at += length + 12;
    }
    return truncated(r, "PNG", e);
}

/* BMP: BITMAPFILEHEADER and BITMAPINFOHEADER or the 12-byte core header, little endian. */
static bool read_bmp(const struct reader *r, bool whole, struct container *out, struct error *e)
{
    out->kind = CONTAINER_BMP;
    if (r->n < 54)
        return truncated(r, "BMP", e);
    uint32_t offset = le32(r->p + 10), header = le32(r->p + 14), compression = 0;
    uint64_t w, h;
    unsigned bits;
    if (header == 12) {
        w = r->p[18] | (unsigned)r->p[19] << 8;
        h = r->p[20] | (unsigned)r->p[21] << 8;
        bits = r->p[24] | (unsigned)r->p[25] << 8;
    } else {
        uint32_t signed_h = le32(r->p + 22);
        w = le32(r->p + 18);
        h = signed_h & 0x80000000u ? 0u - signed_h : signed_h; /* negative: rows from the top */
        bits = r->p[28] | (unsigned)r->p[29] << 8;
        compression = le32(r->p + 30);
    }
    if (!set_size(r, w, h, out, e))
        return false;
    if (compression != 0 && compression != 3)
        return fail(e, ERR_DATA, "%s: compressed BMP is not supported: save it as PNG or JPEG", r->what);
    if (bits == 0 || bits > 32)
        return damaged(r, "BMP", "impossible bits per pixel", e);
    uint64_t stride = (w * bits + 31) / 32 * 4;
    if (whole && offset + stride * (h - 1) + (w * bits + 7) / 8 > r->n)
        return truncated(r, "BMP", e);
    return true;
}

/* Formats that people do have, recognised so that the message can name them. */
static const char *foreign_name(struct str b)
{
    if (str_starts(b, "version https://git-lfs"))
        return "a Git LFS pointer, not the image itself: run `git lfs pull` (in CI: checkout with lfs: true)";
    if (str_starts(b, "RIFF") && str_starts(str_slice(b, 8, 12), "WEBP"))
        return "a WebP image, which is not supported: convert it to JPEG or PNG";
    if (str_starts(b, "GIF8"))
        return "a GIF image, which is not supported: convert it to PNG";
    if (str_starts(b, "II*") || str_starts(b, "MM"))
        return "a TIFF image, which is not supported: convert it to PNG";
    if (str_starts(str_slice(b, 4, 8), "ftyp"))
        return "a HEIC or AVIF image, which is not supported: convert it to JPEG";
    if (b.n == 0)
        return "an empty file: copy the image again or remove it";
    return "not a JPEG, PNG or BMP image: convert or remove it";
}

bool container_read(struct str bytes, const char *what, bool whole, struct container *out, struct error *e)
{
    struct reader r = {(const uint8_t *)bytes.p, bytes.n, what};
    struct container c = {.orientation = 1};
    bool ok;
    if (bytes.n >= 3 && memcmp(bytes.p, "\xff\xd8\xff", 3) == 0)
        ok = read_jpeg(&r, whole, &c, e);
    else if (bytes.n >= 8 && memcmp(bytes.p, "\x89PNG\r\n\x1a\n", 8) == 0)
        ok = read_png(&r, whole, &c, e);
    else if (bytes.n >= 2 && memcmp(bytes.p, "BM", 2) == 0)
        ok = read_bmp(&r, whole, &c, e);
    else
        return fail(e, ERR_DATA, "%s: is %s", what, foreign_name(bytes));
    if (ok)
        *out = c;
    return ok;
}
