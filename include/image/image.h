/* Pixels: 8-bit RGB, interleaved, row-major, no padding. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/str.h"

struct image {
    int w, h;    /* pixels, >= 1 when px is set */
    uint8_t *px; /* w*h*3 bytes, RGB; owned (mem_free through image_free) */
};

#define IMAGE_MAX_SIDE 16384
#define IMAGE_MAX_PIXELS (100u << 20) /* 100 Mpx: 300 MB decoded */
#define IMAGE_MAX_FILE (256u << 20)   /* bytes of an encoded image */

/* JPEG (EXIF orientation applied), PNG, BMP, decided by content. Alpha is dropped, grey becomes RGB, 16 bit becomes 8.
 * `what` names the file in errors. ERR_DATA: unknown format, truncated, damaged, too large. A JPEG whose data ends
 * early is an error (not silently grey). On failure out is untouched. */
MUST_CHECK bool image_decode(struct str bytes, const char *what, struct image *out, struct error *e);
MUST_CHECK bool image_load(const char *path, struct image *out, struct error *e);

/* Size after EXIF rotation from the header alone; no pixels are decoded. ERR_DATA as above. */
MUST_CHECK bool image_probe(struct str bytes, const char *what, int *w, int *h, struct error *e);
/* The same for a whole file, whose structure is walked to its end: finds truncated JPEG, PNG and BMP and wrong PNG
 * checksums without decoding. image_decode does this too. */
MUST_CHECK bool image_verify(struct str bytes, const char *what, int *w, int *h, struct error *e);

MUST_CHECK bool image_save(const char *path, const struct image *im, struct error *e); /* .jpg/.jpeg (quality 90) or .png; atomic */
/* Appends a JPEG file (quality 1..100) to out. False when it does not fit below out's ceiling. */
MUST_CHECK bool image_encode_jpeg(const struct image *im, int quality, struct str_buf *out);
void image_init(struct image *im, int w, int h); /* pixels zeroed */
void image_free(struct image *im);               /* safe on zero */

/* Bilinear, half-pixel centres, edges clamped, integer arithmetic only (11-bit weights): the same bytes on every CPU.
 * This is OpenCV's INTER_LINEAR geometry without its SIMD rounding. out is made by the call. */
void image_resize(const struct image *in, int w, int h, struct image *out);

#endif
