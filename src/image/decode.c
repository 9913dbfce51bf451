/* The only file that includes stb_image and stb_image_write. */
#include <string.h>

#include "core/arena.h"
#include "core/fs.h"
#include "image/container.h"
#include "image/image.h"

/* Memory comes from core. SIMD is off: the scalar paths give the same pixels on every machine, and each image is
 * decoded once a run, so that speed is not what counts here. */
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS IMAGE_MAX_SIDE
#define STBI_MALLOC(n) mem_alloc(n)
#define STBI_REALLOC(p, n) mem_resize(p, n)
#define STBI_FREE(p) mem_free(p)
#define STBI_ASSERT(x) ((void)0)
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_MALLOC(n) mem_alloc(n)
#define STBIW_REALLOC(p, n) mem_resize(p, n)
#define STBIW_FREE(p) mem_free(p)
#define STBIW_ASSERT(x) ((void)0)
#pragma GCC diagnostic ignored "-Wunused-function" /* judged at the end of the file: cannot be popped */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#define JPEG_QUALITY 90

static bool swaps_sides(int orientation)
{
    return orientation >= 5;
}

/* Turns stored pixels the way up that EXIF orientation 2..8 asks for; im's pixels are replaced. */
static void orient(struct image *im, int orientation)
{
    struct image out;
    image_init(&out, swaps_sides(orientation) ? im->h : im->w, swaps_sides(orientation) ? im->w : im->h);
    for (int y = 0; y < out.h; y++) {
        for (int x = 0; x < out.w; x++) {
            int sx = swaps_sides(orientation) ? y : x, sy = swaps_sides(orientation) ? x : y;
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                sx = im->w - 1 - sx;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                sy = im->h - 1 - sy;
            memcpy(out.px + ((size_t)y * out.w + x) * 3, im->px + ((size_t)sy * im->w + sx) * 3, 3);
        }
    }
    image_free(im);
    *im = out;
}

bool image_decode(struct str bytes, const char *what, struct image *out, struct error *e)
{
    struct container c;
    if (!container_read(bytes, what, true, &c, e))
        return false;
    if (bytes.n > IMAGE_MAX_FILE)
        return fail(e, ERR_DATA, "%s: %zu MB is too large for an image file: at most %u MB", what, bytes.n >> 20,
                    IMAGE_MAX_FILE >> 20);

    int w = 0, h = 0, channels = 0;
    uint8_t *px = stbi_load_from_memory((const uint8_t *)bytes.p, (int)bytes.n, &w, &h, &channels, 3);
    if (!px)
        return fail(e, ERR_DATA, "%s: damaged image (%s): save it again or remove it", what, stbi_failure_reason());
    struct image im = {w, h, px};
    if (w != c.w || h != c.h) {
        image_free(&im);
        return fail(e, ERR_DATA, "%s: damaged image (its size changed while reading): save it again or remove it",
                    what);
    }
    if (c.orientation > 1)
        orient(&im, c.orientation);
    *out = im;
    return true;
}

bool image_load(const char *path, struct image *out, struct error *e)
{
    struct arena file = {0};
    struct str bytes;
    bool ok = fs_read_file(path, IMAGE_MAX_FILE, &file, &bytes, e) && image_decode(bytes, path, out, e);
    arena_free(&file);
    return ok;
}

static bool size_of(struct str bytes, const char *what, bool whole, int *w, int *h, struct error *e)
{
    struct container c;
    if (!container_read(bytes, what, whole, &c, e))
        return false;
    *w = swaps_sides(c.orientation) ? c.h : c.w;
    *h = swaps_sides(c.orientation) ? c.w : c.h;
    return true;
}

bool image_probe(struct str bytes, const char *what, int *w, int *h, struct error *e)
{
    return size_of(bytes, what, false, w, h, e);
}

bool image_verify(struct str bytes, const char *what, int *w, int *h, struct error *e)
{
    return size_of(bytes, what, true, w, h, e);
}

static void write_bytes(void *ctx, void *p, int n)
{
    str_buf_addn(ctx, p, (size_t)n);
}

bool image_encode_jpeg(const struct image *im, int quality, struct str_buf *out)
{
    size_t before = out->n;
    bool ok = stbi_write_jpg_to_func(write_bytes, out, im->w, im->h, 3, im->px, quality) != 0;
    return ok && !out->overflow && out->n > before;
}

bool image_save(const char *path, const struct image *im, struct error *e)
{
    struct str_buf file = STR_BUF(IMAGE_MAX_FILE);
    const char *ext = fs_ext(path);
    int ok;
    if (strcmp(ext, ".jpg") == 0 || strcmp(ext, ".jpeg") == 0)
        ok = stbi_write_jpg_to_func(write_bytes, &file, im->w, im->h, 3, im->px, JPEG_QUALITY);
    else if (strcmp(ext, ".png") == 0)
        ok = stbi_write_png_to_func(write_bytes, &file, im->w, im->h, 3, im->px, im->w * 3);
    else
        return fail(e, ERR_CONFIG, "%s: cannot save an image as '%s': use .jpg or .png", path, ext);
    bool done = ok && !file.overflow ? fs_write_atomic(path, str_buf_view(&file), e)
                                     : fail(e, ERR_INTERNAL, "%s: the image could not be encoded", path);
    str_buf_free(&file);
    return done;
}
