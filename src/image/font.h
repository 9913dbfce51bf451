/* A dot-matrix font, 5 x 7, printable ASCII. */
#ifndef IMAGE_FONT_H
#define IMAGE_FONT_H

#include <stdint.h>

enum { FONT_WIDTH = 5, FONT_HEIGHT = 7, FONT_FIRST = ' ', FONT_LAST = '~' };

/* A row per byte, top first; bit 4 is the leftmost dot. */
extern const uint8_t font_glyphs[FONT_LAST - FONT_FIRST + 1][FONT_HEIGHT];

#endif
