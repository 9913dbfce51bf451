#include "image/hsv.h"

#include <math.h>

/* round(x * 2^12 / i) for i = 1..255, as OpenCV's RGB to HSV tables: division by table keeps its bits. */
enum { SHIFT = 12 };

static int scaled_inverse(int x, int i)
{
    return i ? ((x << SHIFT) * 2 + i) / (2 * i) : 0;
}

void hsv_init(struct hsv *t, double gain_h, double gain_s, double gain_v)
{
    for (int i = 0; i < 180; i++) {
        double h = i * gain_h;
        t->hue[i] = (uint8_t)((int)(h - floor(h / 180) * 180) % 180);
    }
    for (int i = 0; i < 256; i++) {
        t->saturation[i] = (uint8_t)fmin(fmax(i * gain_s, 0), 255);
        t->value[i] = (uint8_t)fmin(fmax(i * gain_v, 0), 255);
        t->per_value[i] = scaled_inverse(255, i);
        t->per_range[i] = scaled_inverse(180 / 6, i);
    }
}

/* value * (1 - saturation * part / 30), rounded; saturation of 255ths, part of thirtieths. */
static uint8_t dimmed(unsigned value, unsigned saturation, unsigned part)
{
    return (uint8_t)((value * (255 * 30 - saturation * part) + 255 * 15) / (255 * 30));
}

void hsv_apply(const struct hsv *t, uint8_t *px, int n)
{
    static const uint8_t order[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    for (int i = 0; i < n; i++, px += 3) {
        int r = px[0], g = px[1], b = px[2];
        int high = r > g ? r : g, low = r > g ? g : r;
        high = b > high ? b : high;
        low = b < low ? b : low;
        int range = high - low;
        int turn = high == r ? g - b : high == g ? b - r + 2 * range : r - g + 4 * range;
        int s = (range * t->per_value[high] + (1 << (SHIFT - 1))) >> SHIFT;
        int h = (turn * t->per_range[range] + (1 << (SHIFT - 1))) >> SHIFT;
        h += h < 0 ? 180 : 0;

        unsigned hue = t->hue[h < 180 ? h : 0], saturation = t->saturation[s], value = t->value[high];
        unsigned sector = hue / 30, part = hue % 30;
        uint8_t tab[4] = {(uint8_t)value, dimmed(value, saturation, 30), dimmed(value, saturation, part),
                          dimmed(value, saturation, 30 - part)};
        px[0] = tab[order[sector][0]];
        px[1] = tab[order[sector][1]];
        px[2] = tab[order[sector][2]];
    }
}
