#include "image/resize.h"

#include <string.h>

#include "core/arena.h"

enum { WEIGHT_BITS = 11, ONE = 1 << WEIGHT_BITS };

/* One output column or row: input cells `at` and `next` with weights ONE - weight and weight. */
struct tap {
    int at, next;
    unsigned weight; /* 0..ONE */
};

/* Half-pixel centres: output i lies at (i + 1/2) * n_in / n_out - 1/2 of the input; exact integers over 2 * n_out. */
static void plan_axis(int n_in, int n_out, struct tap *taps)
{
    int64_t den = 2 * (int64_t)n_out;
    for (int i = 0; i < n_out; i++) {
        int64_t num = (2 * (int64_t)i + 1) * n_in - n_out;
        if (num < 0)
            num = 0; /* left of the first centre: clamp */
        int at = (int)(num / den);
        unsigned weight = (unsigned)((num % den * ONE + n_out) / den);
        if (at >= n_in - 1) {
            at = n_in - 1;
            weight = 0;
        }
        taps[i] = (struct tap){at, at + 1 < n_in ? at + 1 : at, weight};
    }
}

/* One input row stretched to the output's width, times ONE. Offsets in taps are bytes here. */
static void stretch_row(const uint8_t *in, const struct tap *taps, int w, uint32_t *out)
{
    for (int x = 0; x < w; x++) {
        const uint8_t *a = in + taps[x].at, *b = in + taps[x].next;
        uint32_t wb = taps[x].weight, wa = ONE - wb;
        out[3 * x] = a[0] * wa + b[0] * wb;
        out[3 * x + 1] = a[1] * wa + b[1] * wb;
        out[3 * x + 2] = a[2] * wa + b[2] * wb;
    }
}

/* 255 * ONE * ONE < 2^30, so 32 bits hold every sum. */
static void blend_rows(const uint32_t *restrict a, const uint32_t *restrict b, uint32_t wb, size_t n,
                       uint8_t *restrict out)
{
    uint32_t wa = ONE - wb;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((a[i] * wa + b[i] * wb + (1u << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
}

void resize_into(const struct image *in, int w, int h, uint8_t *dst, size_t stride_bytes)
{
    size_t row = (size_t)w * 3;
    if (w == in->w && h == in->h) {
        for (int y = 0; y < h; y++)
            memcpy(dst + (size_t)y * stride_bytes, in->px + (size_t)y * row, row);
        return;
    }
    struct tap *columns = mem_alloc(mem_mul((size_t)w, sizeof *columns)),
               *rows = mem_alloc(mem_mul((size_t)h, sizeof *rows));
    uint32_t *buffer = mem_alloc(mem_mul(2 * row, sizeof *buffer));
    uint32_t *stretched[2] = {buffer, buffer + row};
    int holds[2] = {-1, -1}; /* which input row each buffer has */
    plan_axis(in->w, w, columns);
    plan_axis(in->h, h, rows);
    for (int x = 0; x < w; x++) {
        columns[x].at *= 3;
        columns[x].next *= 3;
    }
    for (int y = 0; y < h; y++) {
        const int wanted[2] = {rows[y].at, rows[y].next};
        if (holds[1] == wanted[0]) { /* going down, the lower row often becomes the upper one */
            uint32_t *t = stretched[0];
            stretched[0] = stretched[1];
            stretched[1] = t;
            holds[1] = holds[0];
            holds[0] = wanted[0];
        }
        for (int k = 0; k < 2; k++) {
            if (holds[k] == wanted[k] || (k == 1 && rows[y].weight == 0))
                continue;
            stretch_row(in->px + (size_t)wanted[k] * in->w * 3, columns, w, stretched[k]);
            holds[k] = wanted[k];
        }
        blend_rows(stretched[0], stretched[1], rows[y].weight, row, dst + (size_t)y * stride_bytes);
    }
    mem_free(columns);
    mem_free(rows);
    mem_free(buffer);
}

void image_resize(const struct image *in, int w, int h, struct image *out)
{
    struct image made;
    image_init(&made, w, h);
    resize_into(in, w, h, made.px, (size_t)w * 3);
    *out = made;
}
