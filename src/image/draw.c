#include "image/draw.h"

#include <stdio.h>
#include <string.h>

#include "image/font.h"

#define TEXT_MAX 64 /* bytes of a label; a longer class name is cut */

struct colour {
    uint8_t rgb[3];
};

/* Hues a golden ratio apart never come near each other early; every second round is darker. */
static struct colour colour_of(int class_id)
{
    unsigned hue = ((unsigned)class_id * 949u + 40u) % 1536u, rise = hue % 256u, fall = 255u - rise;
    const unsigned wheel[6][3] = {{255, rise, 0}, {fall, 255, 0}, {0, 255, rise},
                                  {0, fall, 255}, {rise, 0, 255}, {255, 0, fall}};
    unsigned strength = class_id / 12 % 2 ? 150u : 235u;
    struct colour c;
    for (int k = 0; k < 3; k++)
        c.rgb[k] = (uint8_t)(20u + wheel[hue / 256u][k] * (strength - 20u) / 255u);
    return c;
}

static struct colour readable_on(struct colour c)
{
    int light = 2 * c.rgb[0] + 5 * c.rgb[1] + c.rgb[2];
    return light > 8 * 110 ? (struct colour){{0, 0, 0}} : (struct colour){{255, 255, 255}};
}

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

static void fill(struct image *im, int x1, int y1, int x2, int y2, struct colour c)
{
    x1 = clamp(x1, 0, im->w);
    x2 = clamp(x2, 0, im->w);
    y1 = clamp(y1, 0, im->h);
    y2 = clamp(y2, 0, im->h);
    for (int y = y1; y < y2; y++) {
        for (int x = x1; x < x2; x++)
            memcpy(im->px + ((size_t)y * im->w + x) * 3, c.rgb, 3);
    }
}

static void write_text(struct image *im, int x, int y, int dot, const char *text, struct colour c)
{
    for (; *text; text++, x += (FONT_WIDTH + 1) * dot) {
        unsigned char ch = (unsigned char)*text;
        const uint8_t *rows = font_glyphs[(ch >= FONT_FIRST && ch <= FONT_LAST ? ch : '?') - FONT_FIRST];
        for (int row = 0; row < FONT_HEIGHT; row++) {
            for (int column = 0; column < FONT_WIDTH; column++) {
                if (rows[row] >> (FONT_WIDTH - 1 - column) & 1)
                    fill(im, x + column * dot, y + row * dot, x + (column + 1) * dot, y + (row + 1) * dot, c);
            }
        }
    }
}

static void draw_outline(struct image *im, int x1, int y1, int x2, int y2, int line, struct colour c)
{
    fill(im, x1, y1, x2, y1 + line, c);
    fill(im, x1, y2 - line, x2, y2, c);
    fill(im, x1, y1, x1 + line, y2, c);
    fill(im, x2 - line, y1, x2, y2, c);
}

/* Above the box where there is room, else inside its upper edge; moved left and up until it is in the picture. */
static void draw_label(struct image *im, int x, int y, int dot, const char *text, struct colour c)
{
    int w = ((FONT_WIDTH + 1) * (int)strlen(text) + 1) * dot, h = (FONT_HEIGHT + 2) * dot;
    int left = clamp(x, 0, im->w - w > 0 ? im->w - w : 0);
    int top = clamp(y - h >= 0 ? y - h : y, 0, im->h - h > 0 ? im->h - h : 0);
    fill(im, left, top, left + w, top + h, c);
    write_text(im, left + dot, top + dot, dot, text, readable_on(c));
}

static int to_pixel(float v, int high)
{
    return !(v > 0) ? 0 : v >= (float)high ? high : (int)(v + 0.5f);
}

void draw_detections(struct image *im, const struct detection *d, int n, const char *const *class_names, int n_classes)
{
    int side = im->w > im->h ? im->w : im->h;
    int line = 2 + side / 800, dot = 1 + side / 500;
    for (int i = n - 1; i >= 0; i--) { /* the first, the surest, on top */
        struct colour c = colour_of(d[i].class_id);
        int x1 = to_pixel(d[i].box.x1, im->w), y1 = to_pixel(d[i].box.y1, im->h);
        int x2 = to_pixel(d[i].box.x2, im->w), y2 = to_pixel(d[i].box.y2, im->h);
        bool is_named = d[i].class_id >= 0 && d[i].class_id < n_classes;
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%.*s %.2f", TEXT_MAX - 12, is_named ? class_names[d[i].class_id] : "?",
                 (double)d[i].score);
        draw_outline(im, x1, y1, x2, y2, line, c);
        draw_label(im, x1, y1, dot, text, c);
    }
}
