#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "image/image.h"

static char folder[] = "/tmp/retrain-decode-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    struct error e;
    return fs_remove_tree(folder, &e) ? 0 : -1;
}

/* A picture whose four corners differ, so that every orientation is told apart. */
static struct image four_corners(int w, int h)
{
    struct image im;
    image_init(&im, w, h);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            uint8_t *p = im.px + ((size_t)y * w + x) * 3;
            p[0] = x < w / 2 ? 220 : 30;
            p[1] = y < h / 2 ? 220 : 30;
            p[2] = 100;
        }
    }
    return im;
}

/* 0 top-left, 1 top-right, 2 bottom-left, 3 bottom-right of four_corners at this place of `im`. */
static int corner_at(const struct image *im, int x, int y)
{
    const uint8_t *p = im->px + ((size_t)y * im->w + x) * 3;
    return (p[0] < 128) + 2 * (p[1] < 128);
}

static struct str encoded(struct arena *a, const char *name, const struct image *im)
{
    struct error e;
    char *path = fs_join(a, folder, name);
    struct str bytes;
    if (!image_save(path, im, &e) || !fs_read_file(path, 1 << 24, a, &bytes, &e))
        fail_msg("%s", e.message);
    return bytes;
}

/* The JPEG with an Exif APP1 segment after its SOI. */
static struct str with_orientation(struct arena *a, struct str jpeg, int orientation)
{
    char app1[] = "\xff\xe1\x00\x22"
                  "Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\x00\0\0\0\0\0\0";
    size_t n = 2 + 0x22;
    app1[4 + 6 + 8 + 2 + 9] = (char)orientation;
    char *p = arena_alloc(a, jpeg.n + n);
    memcpy(p, jpeg.p, 2);
    memcpy(p + 2, app1, n);
    memcpy(p + 2 + n, jpeg.p + 2, jpeg.n - 2);
    return (struct str){p, jpeg.n + n};
}

static void png_round_trips(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error e;
    struct image im = four_corners(37, 23), back;
    struct str bytes = encoded(&a, "a.png", &im);
    if (!image_decode(bytes, "a.png", &back, &e))
        fail_msg("%s", e.message);
    assert_int_equal(back.w, 37);
    assert_int_equal(back.h, 23);
    assert_memory_equal(back.px, im.px, 37 * 23 * 3);
    image_free(&im);
    image_free(&back);
    arena_free(&a);
}

static void orientations_turn_pixels_and_sizes(void **state)
{
    (void)state;
    /* Which stored corner shows at top-left and at top-right. Source: EXIF 2.3, tag 274. */
    static const int shown[9][2] = {{0, 0}, {0, 1}, {1, 0}, {3, 2}, {2, 3}, {0, 2}, {2, 0}, {3, 1}, {1, 3}};
    struct arena a = {0};
    struct image im = four_corners(48, 32);
    struct str jpeg = encoded(&a, "a.jpg", &im);
    for (int o = 1; o <= 8; o++) {
        struct str turned = with_orientation(&a, jpeg, o);
        struct image out;
        struct error e;
        int w = 0, h = 0;
        if (!image_decode(turned, "a.jpg", &out, &e) || !image_probe(turned, "a.jpg", &w, &h, &e))
            fail_msg("%d: %s", o, e.message);
        assert_int_equal(out.w, o >= 5 ? 32 : 48);
        assert_int_equal(out.h, o >= 5 ? 48 : 32);
        assert_int_equal(w, out.w);
        assert_int_equal(h, out.h);
        if (corner_at(&out, 2, 2) != shown[o][0] || corner_at(&out, out.w - 3, 2) != shown[o][1])
            fail_msg("orientation %d shows corners %d %d", o, corner_at(&out, 2, 2), corner_at(&out, out.w - 3, 2));
        image_free(&out);
    }
    image_free(&im);
    arena_free(&a);
}

/* Every proper prefix of a file must be refused, never decoded to half a picture. */
static void truncated_files_are_errors(void **state)
{
    (void)state;
    struct arena a = {0};
    struct image im = four_corners(40, 24), out = {0};
    static const char *const files[] = {"t.jpg", "t.png"};
    for (size_t i = 0; i < COUNT(files); i++) {
        struct str bytes = encoded(&a, files[i], &im);
        for (size_t n = 0; n < bytes.n; n++) {
            struct error e = {0};
            char *exact = mem_alloc(n ? n : 1);
            memcpy(exact, bytes.p, n);
            int w, h;
            bool ok = image_decode((struct str){exact, n}, files[i], &out, &e);
            bool verified = image_verify((struct str){exact, n}, files[i], &w, &h, &e);
            mem_free(exact);
            if (ok || verified || e.code != ERR_DATA || !strstr(e.message, files[i]))
                fail_msg("%s cut after %zu of %zu bytes: %s", files[i], n, bytes.n, ok ? "decoded" : e.message);
        }
    }
    image_free(&im);
    arena_free(&a);
}

static void any_changed_byte_is_safe(void **state)
{
    (void)state;
    struct arena a = {0};
    struct image im = four_corners(24, 16);
    static const char *const files[] = {"c.jpg", "c.png"};
    for (size_t i = 0; i < COUNT(files); i++) {
        struct str bytes = encoded(&a, files[i], &im);
        char *copy = arena_strndup(&a, bytes.p, bytes.n);
        int n_png = 0;
        for (size_t at = 0; at < bytes.n; at++) {
            memcpy(copy, bytes.p, bytes.n);
            copy[at] = (char)(copy[at] ^ 0x55);
            struct error e;
            struct image out;
            if (image_decode((struct str){copy, bytes.n}, files[i], &out, &e)) {
                image_free(&out);
                n_png += i == 1;
            }
        }
        assert_int_equal(n_png, 0); /* a PNG is checked all over */
    }
    image_free(&im);
    arena_free(&a);
}

static void foreign_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } cases[] = {
#define CASE(b, says) {b, sizeof(b) - 1, says}
        CASE("", "empty file"),
        CASE("GIF89a....", "GIF"),
        CASE("RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        CASE("II*\0\x08\0\0\0", "TIFF"),
        CASE("\0\0\0\x18"
             "ftypheic",
             "HEIC"),
        CASE("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        CASE("<html>", "not a JPEG, PNG or BMP"),
        CASE("\xff\xd8\xff\xd9", "no image data"),
        CASE("\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x10\x03\1\x11\0\2\x11\0\3\x11\0", "no size"),
        CASE("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\1\x11\0\2\x11\0\3\x11\0", "too large"),
        CASE("\xff\xd8\xff\xc9\x00\x11\x08\x00\x10\x00\x10\x03\1\x11\0\2\x11\0\3\x11\0", "arithmetic"),
        CASE("\xff\xd8\xff\xc0\x00\x11\x0c\x00\x10\x00\x10\x03\1\x11\0\2\x11\0\3\x11\0", "12 bits"),
        CASE("\xff\xd8\xff\xe1\x00\x01", "damaged"),
        CASE("\xff\xd8\xff\xc4\x00\x13\x00\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "Huffman"),
        CASE("\xff\xd8\xff\xc4\x00\x04\x00\x01", "Huffman"),
        CASE("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x40\x01\0\0\0\1\x08\2\0\0\0\0\0\0\0", "too large"),
        CASE("\x89PNG\r\n\x1a\n\0\0\0\4CgBI\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "IHDR"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        struct image out;
        if (image_decode((struct str){cases[i].bytes, cases[i].n}, "x.jpg", &out, &e))
            fail_msg("case %zu was decoded", i);
        if (e.code != ERR_DATA || !strstr(e.message, cases[i].says))
            fail_msg("case %zu says '%s', not '%s'", i, e.message, cases[i].says);
    }
}

/* 2x2, 24 bits, bottom row first, rows padded to 8 bytes. */
static const char bmp[] =
    "BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\2\0\0\0\2\0\0\0\1\0\x18\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\1\2\3\4\5\6\0\0\7\x08\x09\x0a\x0b\x0c\0\0";

static void bmp_is_read(void **state)
{
    (void)state;
    struct str bytes = {bmp, sizeof bmp - 1};
    struct error e;
    struct image out;
    assert_int_equal(bytes.n, 70);
    if (!image_decode(bytes, "a.bmp", &out, &e))
        fail_msg("%s", e.message);
    static const uint8_t wanted[12] = {9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4};
    assert_int_equal(out.w, 2);
    assert_memory_equal(out.px, wanted, 12);
    image_free(&out);
    for (size_t n = 0; n < 68; n++) { /* the last row's padding may be missing */
        if (image_decode((struct str){bmp, n}, "a.bmp", &out, &e))
            fail_msg("decoded after %zu bytes", n);
    }
}

static void grey_becomes_rgb(void **state)
{
    (void)state;
    /* 1x1, grey, 8 bits: 0x80. */
    static const char grey[] =
        "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\x0aIDAT\x78\x9c\x63\x68"
        "\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xae\x42\x60\x82";
    struct error e;
    struct image out;
    if (!image_decode((struct str){grey, sizeof grey - 1}, "g.png", &out, &e))
        fail_msg("%s", e.message);
    assert_int_equal(out.px[0], 0x80);
    assert_int_equal(out.px[2], 0x80);
    image_free(&out);
}

static void saving_elsewhere_is_refused(void **state)
{
    (void)state;
    struct image im = four_corners(4, 4);
    struct error e;
    assert_false(image_save("/tmp/x.gif", &im, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_false(image_load("/nonexistent/x.jpg", &im, &e));
    image_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_round_trips),
        cmocka_unit_test(orientations_turn_pixels_and_sizes),
        cmocka_unit_test(truncated_files_are_errors),
        cmocka_unit_test(any_changed_byte_is_safe),
        cmocka_unit_test(foreign_files_are_named),
        cmocka_unit_test(bmp_is_read),
        cmocka_unit_test(grey_becomes_rgb),
        cmocka_unit_test(saving_elsewhere_is_refused),
    };
    return cmocka_run_group_tests_name("decode", tests, make_folder, remove_folder);
}
