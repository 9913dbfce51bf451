/* From linear light to the bytes of a camera: lens blur, exposure, white balance, noise, tone curve, JPEG. */
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#include "film.h"
#include "scene.h"

#define FILM_QUALITY 84

static _Thread_local float blurred[FILM_MAX_SIDE * FILM_MAX_SIDE * 3];

/* One pass of a blur along (dx, dy): five taps of a Gaussian of the given width in pixels. */
static void blur_along(float *light, int w, int h, float dx, float dy)
{
    static const float weight[5] = {0.11f, 0.24f, 0.30f, 0.24f, 0.11f};
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                float sum = 0.0f;
                for (int k = -2; k <= 2; k++) {
                    float fx = f_clamp((float)x + dx * (float)k, 0.0f, (float)(w - 1));
                    float fy = f_clamp((float)y + dy * (float)k, 0.0f, (float)(h - 1));
                    int ix = (int)fx, iy = (int)fy, jx = ix + (ix + 1 < w), jy = iy + (iy + 1 < h);
                    float u = fx - (float)ix, v = fy - (float)iy;
                    float top = f_mix(light[(iy * w + ix) * 3 + c], light[(iy * w + jx) * 3 + c], u);
                    float low = f_mix(light[(jy * w + ix) * 3 + c], light[(jy * w + jx) * 3 + c], u);
                    sum += weight[k + 2] * f_mix(top, low, v);
                }
                blurred[(y * w + x) * 3 + c] = sum;
            }
    memcpy(light, blurred, (size_t)(w * h * 3) * sizeof *light);
}

static float mean_light(const float *light, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) /* bright spots count little, as in a camera's metering */
        sum += f_min(0.3f * light[3 * i] + 0.59f * light[3 * i + 1] + 0.11f * light[3 * i + 2], 1.5f);
    return sum / (float)n + 1e-3f;
}

/* Nearly Gaussian, variance 1: the sum of four uniform numbers. */
static float grain(struct dice *d)
{
    float sum = -2.0f;
    for (int i = 0; i < 4; i++)
        sum += dice_unit(d);
    return sum * 1.7320508f;
}

/* A shoulder above 0.8, then the sRGB curve (square-root fit, error below 0.004). */
static float tone(float x)
{
    if (x > 0.8f)
        x = 1.0f - 0.2f / (1.0f + (x - 0.8f) / 0.2f);
    x = f_max(x, 0.0f);
    float a = sqrtf(x), b = sqrtf(a), c = sqrtf(b);
    return f_clamp(0.585122381f * a + 0.783140355f * b - 0.368262736f * c, 0.0f, 1.0f);
}

void film_develop(const struct lens *l, float *light, int w, int h, uint8_t *rgb)
{
    if (l->blur_px > 0.0f) {
        blur_along(light, w, h, l->blur_px, 0.0f);
        blur_along(light, w, h, 0.0f, l->blur_px);
    }
    if (l->motion_x != 0.0f || l->motion_y != 0.0f)
        blur_along(light, w, h, l->motion_x, l->motion_y);

    struct dice d = dice_of(l->seed, 0);
    float gain = l->key / mean_light(light, w * h), across = (float)(w * w + h * h) * 0.25f;
    for (int i = 0; i < w * h; i++) {
        float dx = (float)(i % w) - 0.5f * (float)w, dy = (float)(i / w) - 0.5f * (float)h;
        float shade = gain * (1.0f - l->vignette * (dx * dx + dy * dy) / across);
        struct v3 c = v_mul(v3(light[3 * i], light[3 * i + 1], light[3 * i + 2]), v_scale(l->balance, shade));
        float grey = 0.3f * c.x + 0.59f * c.y + 0.11f * c.z, shared = grain(&d);
        c = v_mix(v3(grey, grey, grey), c, l->saturation);
        float *one = &c.x;
        for (int k = 0; k < 3; k++) {
            float own = l->saturation > 0.0f ? 0.6f * shared + 0.8f * grain(&d) : shared;
            float x = one[k] + own * (l->read + l->shot * sqrtf(f_max(one[k], 0.0f)));
            rgb[3 * i + k] = (uint8_t)(tone(x) * 255.0f + 0.5f);
        }
    }
}

bool film_save(const char *path, const uint8_t *rgb, int w, int h)
{
    return stbi_write_jpg(path, w, h, 3, rgb, FILM_QUALITY) != 0;
}
