/* Surfaces a camera over a workshop might see, all made of value noise. */
#include "scene.h"

static float lattice(int x, int y, uint32_t seed)
{
    uint32_t h = mix32((uint32_t)x * 0x9e3779b9u ^ mix32((uint32_t)y + seed));
    return (float)(h >> 8) / 8388608.0f - 1.0f;
}

float noise2(float x, float y, uint32_t seed)
{
    float fx = floorf(x), fy = floorf(y), u = x - fx, v = y - fy;
    int ix = (int)fx, iy = (int)fy;
    u = u * u * (3.0f - 2.0f * u);
    v = v * v * (3.0f - 2.0f * v);
    float top = f_mix(lattice(ix, iy, seed), lattice(ix + 1, iy, seed), u);
    return f_mix(top, f_mix(lattice(ix, iy + 1, seed), lattice(ix + 1, iy + 1, seed), u), v);
}

float noise_sum(float x, float y, int octaves, uint32_t seed)
{
    float sum = 0.0f, weight = 0.6f;
    for (int i = 0; i < octaves; i++) {
        sum += weight * noise2(x, y, seed + (uint32_t)i * 101u);
        weight *= 0.5f;
        x = x * 2.03f + 17.3f;
        y = y * 2.03f - 9.1f;
    }
    return sum;
}

/* Each pattern gives a height (for the bump) and mixes its two colours by *tone in 0..1. */

static float wood(const struct ground *g, float x, float y, float *tone)
{
    float plank = floorf(y / 1.7f), edge = fabsf(f_fract(y / 1.7f) - 0.5f) * 2.0f;
    x += 5.3f * plank;
    float warp = noise_sum(x * 0.35f, y * 1.1f, 3, g->seed + (uint32_t)(int)plank * 7u);
    float rings = f_fract(y * 1.3f + warp * 2.6f + x * 0.07f);
    float fibre = noise2(x * 1.6f, y * 42.0f, g->seed + 3u);
    float dark = f_step(0.97f, 1.0f, edge);
    *tone = f_clamp(0.25f + 0.45f * rings * rings + 0.22f * fibre + 0.12f * noise2(plank, 0.5f, g->seed), 0.0f, 1.0f);
    *tone = f_mix(*tone, 1.6f, dark);
    return 0.25f * fibre - 1.6f * dark;
}

static float concrete(const struct ground *g, float x, float y, float *tone)
{
    float cloud = noise_sum(x * 0.6f, y * 0.6f, 4, g->seed), grain = noise_sum(x * 14.0f, y * 14.0f, 2, g->seed + 5u);
    float pit = f_step(0.62f, 0.8f, noise2(x * 7.0f, y * 7.0f, g->seed + 9u));
    float crack = f_step(0.025f, 0.0f, fabsf(noise_sum(x * 0.45f, y * 0.45f, 4, g->seed + 21u)));
    *tone = f_clamp(0.45f + 0.4f * cloud + 0.2f * grain + 0.5f * pit + 0.5f * crack, 0.0f, 1.3f);
    return 0.5f * grain - 1.2f * pit - crack;
}

static float brushed(const struct ground *g, float x, float y, float *tone)
{
    float fine = noise2(x * 1.3f, y * 60.0f, g->seed), wide = noise2(x * 0.5f, y * 16.0f, g->seed + 4u);
    *tone = f_clamp(0.5f + 0.28f * fine + 0.22f * wide + 0.25f * noise_sum(x * 0.4f, y * 0.4f, 2, g->seed + 8u), 0.0f,
                    1.0f);
    float scratch = f_step(0.012f, 0.0f, fabsf(noise2(x * 0.7f + y * 0.4f, y * 0.9f - x * 0.3f, g->seed + 12u)));
    *tone += 0.25f * scratch;
    return 0.5f * fine;
}

static float line(float x, float half_width) /* 1 on whole numbers */
{
    return f_step(half_width, half_width * 0.4f, fabsf(f_fract(x + 0.5f) - 0.5f));
}

static float mat(const struct ground *g, float x, float y, float *tone)
{
    float thin = f_max(line(x * 1.5f, 0.03f), line(y * 1.5f, 0.03f)),
          thick = f_max(line(x * 0.3f, 0.012f), line(y * 0.3f, 0.012f));
    float worn = 0.5f + 0.5f * noise_sum(x * 1.4f, y * 1.4f, 3, g->seed);
    *tone =
        0.75f * f_max(thin * 0.6f, thick) * (0.5f + 0.5f * worn) + 0.12f * noise2(x * 20.0f, y * 20.0f, g->seed + 2u);
    return 0.25f * noise2(x * 26.0f, y * 26.0f, g->seed + 6u);
}

static float belt(const struct ground *g, float x, float y, float *tone)
{
    float u = x * 2.4f + y * 2.4f, v = x * 2.4f - y * 2.4f;
    float ribs = g->seed % 2 ? f_triangle(y * 2.2f) : f_max(f_triangle(u), f_triangle(v));
    float height = f_step(0.2f, 0.9f, ribs);
    *tone = f_clamp(0.3f + 0.3f * height + 0.3f * noise_sum(x, y, 4, g->seed) +
                        0.12f * noise2(x * 18.0f, y * 18.0f, g->seed + 1u),
                    0.0f, 1.0f);
    return 0.9f * height + 0.15f * noise2(x * 22.0f, y * 22.0f, g->seed + 2u);
}

static float plain(const struct ground *g, float x, float y, float *tone)
{
    *tone = f_clamp(0.5f + 0.09f * x + 0.05f * y + 0.1f * noise_sum(x * 0.5f, y * 0.5f, 2, g->seed), 0.0f, 1.0f);
    return 0.05f * noise2(x * 20.0f, y * 20.0f, g->seed + 2u);
}

static float cardboard(const struct ground *g, float x, float y, float *tone)
{
    float flute = f_triangle(y * 3.2f), fleck = noise2(x * 9.0f, y * 24.0f, g->seed);
    *tone = f_clamp(0.4f + 0.06f * flute + 0.18f * fleck + 0.2f * noise_sum(x * 0.5f, y * 0.5f, 3, g->seed + 3u), 0.0f,
                    1.0f);
    return 0.15f * flute + 0.15f * fleck;
}

static float tiles(const struct ground *g, float x, float y, float *tone)
{
    float cx = floorf(x / 2.6f), cy = floorf(y / 2.6f);
    float grout = f_max(line(x / 2.6f, 0.022f), line(y / 2.6f, 0.022f));
    float own = lattice((int)cx, (int)cy, g->seed);
    float vein = f_step(0.06f, 0.0f, fabsf(noise_sum(x * 0.8f + own, y * 0.8f, 4, g->seed + 4u)));
    *tone = f_clamp(0.3f + 0.12f * own + 0.22f * vein + 0.1f * noise_sum(x * 3.0f, y * 3.0f, 3, g->seed), 0.0f, 1.0f);
    *tone = f_mix(*tone, 1.2f, grout);
    return -1.5f * grout;
}

static float granite(const struct ground *g, float x, float y, float *tone)
{
    float coarse = noise2(x * 6.0f, y * 6.0f, g->seed), fine = noise2(x * 15.0f, y * 15.0f, g->seed + 7u);
    float fleck = f_step(0.45f, 0.6f, noise2(x * 11.0f, y * 11.0f, g->seed + 11u));
    *tone = f_clamp(0.45f + 0.35f * coarse + 0.35f * fine - 0.4f * fleck, 0.0f, 1.2f);
    return 0.1f * fine;
}

static float cloth(const struct ground *g, float x, float y, float *tone)
{
    float u = f_triangle(x * 9.0f), v = f_triangle(y * 9.0f), over = f_triangle(x * 4.5f) * f_triangle(y * 4.5f);
    float check = f_step(0.4f, 0.5f, fabsf(f_fract(x * 0.45f) - 0.5f) * 2.0f) * 0.5f +
                  f_step(0.4f, 0.5f, fabsf(f_fract(y * 0.45f) - 0.5f) * 2.0f) * 0.5f;
    float fold = noise_sum(x * 0.4f, y * 0.4f, 3, g->seed + 5u);
    *tone = f_clamp(0.2f + (g->seed % 3 ? 0.0f : 0.55f * check) + 0.1f * (u + v) + 0.1f * fold, 0.0f, 1.0f);
    return 0.25f * (over > 0.0f ? u : v) + 2.5f * fold;
}

static float pattern(const struct ground *g, float x, float y, float *tone)
{
    static float (*const patterns[GROUND_KINDS])(const struct ground *, float, float, float *) = {
        wood, concrete, brushed, mat, belt, plain, cardboard, tiles, granite, cloth,
    };
    return patterns[g->kind](g, x, y, tone);
}

struct v3 ground_colour(const struct ground *g, float x, float y, struct v3 *normal)
{
    float u = (x * g->turn_cos - y * g->turn_sin) * g->scale, v = (x * g->turn_sin + y * g->turn_cos) * g->scale;
    const float step = 0.03f;
    float tone, ignored;
    float h = pattern(g, u, v, &tone);
    float du = (pattern(g, u + step, v, &ignored) - h) * g->bump,
          dv = (pattern(g, u, v + step, &ignored) - h) * g->bump;
    *normal = v_unit(v3(-du * g->turn_cos - dv * g->turn_sin, du * g->turn_sin - dv * g->turn_cos, 1.0f));

    struct v3 c = v_mix(g->colour, g->second, tone);
    float stain = f_step(0.1f, 0.5f, noise_sum(x * 0.3f, y * 0.3f, 4, g->seed + 40u));
    c = v_scale(c, 1.0f - g->dirt * stain);
    return v3(f_max(c.x, 0.004f), f_max(c.y, 0.004f), f_max(c.z, 0.004f));
}

void ground_roll(struct ground *g, struct dice *d)
{
    static const struct {
        struct v3 low, high, other; /* the first colour lies between low and high; other multiplies it */
        float bump, gloss;
    } table[GROUND_KINDS] = {
        [GROUND_WOOD] = {{0.16f, 0.08f, 0.04f}, {0.62f, 0.42f, 0.24f}, {0.45f, 0.38f, 0.32f}, 0.10f, 0.15f},
        [GROUND_CONCRETE] = {{0.18f, 0.18f, 0.17f}, {0.48f, 0.46f, 0.42f}, {0.50f, 0.50f, 0.50f}, 0.10f, 0.0f},
        [GROUND_BRUSHED] = {{0.20f, 0.21f, 0.22f}, {0.48f, 0.48f, 0.48f}, {0.55f, 0.55f, 0.57f}, 0.03f, 0.6f},
        [GROUND_MAT] = {{0.02f, 0.10f, 0.06f}, {0.06f, 0.18f, 0.24f}, {3.8f, 3.6f, 3.2f}, 0.05f, 0.1f},
        [GROUND_BELT] = {{0.03f, 0.03f, 0.035f}, {0.12f, 0.16f, 0.14f}, {1.9f, 1.9f, 1.9f}, 0.05f, 0.2f},
        [GROUND_PLAIN] = {{0.10f, 0.12f, 0.18f}, {0.75f, 0.72f, 0.70f}, {0.65f, 0.68f, 0.72f}, 0.02f, 0.3f},
        [GROUND_CARDBOARD] = {{0.36f, 0.24f, 0.13f}, {0.50f, 0.36f, 0.22f}, {0.70f, 0.68f, 0.64f}, 0.08f, 0.0f},
        [GROUND_TILES] = {{0.30f, 0.32f, 0.34f}, {0.70f, 0.66f, 0.58f}, {0.60f, 0.58f, 0.55f}, 0.05f, 0.5f},
        [GROUND_GRANITE] = {{0.30f, 0.26f, 0.25f}, {0.55f, 0.54f, 0.54f}, {0.22f, 0.22f, 0.24f}, 0.02f, 0.4f},
        [GROUND_CLOTH] = {{0.08f, 0.10f, 0.22f}, {0.55f, 0.30f, 0.22f}, {1.8f, 1.8f, 1.8f}, 0.05f, 0.0f},
    };
    g->kind = (enum ground_kind)dice_below(d, GROUND_KINDS);
    g->colour = v_mix(table[g->kind].low, table[g->kind].high, dice_unit(d));
    g->colour = v_mul(g->colour, dice_tint(d, 0.15f, 0.1f, 0.15f));
    g->second = v_scale(v_mul(g->colour, table[g->kind].other), dice_range(d, 0.8f, 1.1f));
    float turn = dice_range(d, 0.0f, 2.0f * SAMPLE_PI);
    g->turn_cos = f_cos(turn);
    g->turn_sin = f_sin(turn);
    g->scale = dice_range(d, 0.6f, 1.5f);
    g->bump = table[g->kind].bump * dice_range(d, 2.0f, 5.0f);
    g->gloss = table[g->kind].gloss * dice_range(d, 0.4f, 1.0f);
    g->dirt = dice_unit(d) < 0.5f ? dice_range(d, 0.0f, 0.35f) : 0.0f;
    g->seed = dice_u32(d);
}
