/* What a JPEG, PNG or BMP file says about itself before any pixel is decoded, read by ourselves: the decoder is
 * lenient about files that end early, and a probe must not cost a decode. */
#ifndef IMAGE_CONTAINER_H
#define IMAGE_CONTAINER_H

#include "core/error.h"
#include "core/str.h"

enum container_kind { CONTAINER_JPEG, CONTAINER_PNG, CONTAINER_BMP };

struct container {
    enum container_kind kind;
    int w, h;        /* as stored, before the EXIF rotation; within IMAGE_MAX_SIDE and IMAGE_MAX_PIXELS */
    int orientation; /* EXIF 1..8 */
};

/* Reads the header. whole = true also walks the file to its end: a JPEG must reach its end-of-image marker, a PNG its
 * IEND chunk with every checksum right, a BMP must hold all its rows. Bytes after the end are ignored. ERR_DATA. */
MUST_CHECK bool container_read(struct str bytes, const char *what, bool whole, struct container *out, struct error *e);

#endif
