/* The one fact that we need from EXIF metadata: how the camera was held. */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include "core/str.h"

/* `segment` is the payload of a JPEG's APP1 segment, after its length. Returns 1..8 as EXIF defines them
 * (1 = as stored); 1 too for anything absent, foreign or damaged: a photo is never refused for its metadata. */
int exif_orientation(struct str segment);

#endif
