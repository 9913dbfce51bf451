/* The shapes as signed distances (the primitives follow I. Quilez, "Distance functions"). Where a profile is only
 * nearly a distance it is scaled down, so that a ray never steps through it. */
#include "scene.h"

/* Distance to a hexagon around the origin whose flats are `flat` away from it. */
static float hexagon(float x, float y, float flat)
{
    x = fabsf(x);
    y = fabsf(y);
    return f_max(x * 0.8660254f + y * 0.5f, y) - flat;
}

/* A solid from the distance to its outline and from its half height, with edges rounded by `round`. */
static float extrude(float outline, float z, float half_height, float round)
{
    float dx = outline + round, dz = fabsf(z) - half_height + round;
    float outside = f_len2(f_max(dx, 0.0f), f_max(dz, 0.0f));
    return f_min(f_max(dx, dz), 0.0f) + outside - round;
}

/* radius of the shaft, height of the head along the axis, hole = half width of the head, pitch of the thread;
 * bend[0] = where the thread begins. Variants: hexagon head, round head with a slot, cylinder with a hexagon socket. */
static float bolt(const struct shape *s, struct v3 p)
{
    float r = f_len2(p.y, p.z), head_x = -0.5f + 0.5f * s->height, tip = 0.5f - p.x;
    float shaft_r = s->radius;
    if (p.x > s->bend[0]) {
        float turn = f_atan2(p.y, p.z) / (2.0f * SAMPLE_PI);
        shaft_r -= s->radius * 0.13f * (0.5f + 0.5f * f_triangle(p.x / s->pitch + turn));
        shaft_r = f_min(shaft_r, s->radius * 0.72f + tip); /* chamfered end */
    }
    float shaft = f_max(r - shaft_r, fabsf(p.x - 0.5f * (0.5f + head_x)) - 0.5f * (0.5f - head_x)) * 0.8f;
    float head;
    if (s->variant == 0) {
        head = extrude(hexagon(p.y, p.z, s->hole * 0.9f), p.x - head_x, 0.5f * s->height, 0.01f);
        head = f_max(head, 0.75f * (r - s->hole + 0.5f * ((head_x - p.x) - 0.25f * s->height)));
    } else if (s->variant == 1) {
        float bulge = f_len2(r, (p.x - head_x) * 0.9f - 0.45f * s->height) - s->hole;
        head = f_max(bulge, fabsf(p.x - head_x) - 0.5f * s->height);
        head = f_max(head, -f_max(fabsf(p.y) - 0.02f, p.x + 0.5f - 0.4f * s->height));
    } else {
        head = extrude(r - s->hole * 0.88f, p.x - head_x, 0.5f * s->height, 0.015f);
        head = f_max(head, -f_max(hexagon(p.y, p.z, s->hole * 0.45f), p.x + 0.5f - 0.6f * s->height));
    }
    return f_min(shaft, head);
}

/* radius = corner radius, height = half height, hole = bore, pitch of its thread. Variant 1 has a flange. */
static float nut(const struct shape *s, struct v3 p)
{
    float r = f_len2(p.x, p.y), corner = s->variant == 1 ? s->radius * 0.86f : s->radius;
    float body = extrude(hexagon(p.x, p.y, corner * 0.8660254f), p.z, s->height, 0.008f);
    body = f_max(body, 0.8f * (r + 0.7f * (fabsf(p.z) - s->height) - corner * 0.93f)); /* chamfered corners */
    if (s->variant == 1)
        body = f_min(body, extrude(r - s->radius, p.z + 0.72f * s->height, 0.28f * s->height, 0.02f));
    float turn = f_atan2(p.x, p.y) / (2.0f * SAMPLE_PI);
    float bore =
        s->hole + 0.012f * f_triangle(p.z / s->pitch + turn) + 0.5f * f_max(0.0f, fabsf(p.z) - 0.85f * s->height);
    return f_max(body, 0.8f * (bore - r));
}

/* count teeth; radius of the root circle; height = half height; hole = bore; pitch = share of a tooth that is land.
 * Variants: solid, with holes, with a thin web; bend[0] = radius of the hub, bend[1] = how far the hub stands out. */
static float gear(const struct shape *s, struct v3 p)
{
    float r = f_len2(p.x, p.y), turn = f_atan2(p.y, p.x) / (2.0f * SAMPLE_PI);
    float wave = fabsf(f_fract(turn * (float)s->count) - 0.5f) * 2.0f; /* 1 in the gap, 0 on the tooth */
    float tooth = 1.0f - f_clamp((wave - s->pitch) / 0.3f, 0.0f, 1.0f);
    float outline = 0.65f * (r - s->radius - (0.5f - s->radius) * tooth);
    float half = s->height;
    if (s->variant == 2) {
        float inner = f_max(r - (s->radius - 0.07f), s->bend[0] - r);
        half = s->height * (inner < 0.0f ? 0.45f : 1.0f);
    }
    float d = f_max(outline, 0.8f * (fabsf(p.z) - half));
    if (s->variant == 1) {
        int n = 3 + s->count % 4;
        float sector = (f_fract(turn * (float)n) - 0.5f) * 2.0f * SAMPLE_PI / (float)n;
        float mid = 0.5f * (s->radius + s->bend[0]) - 0.005f, hole = 0.36f * (s->radius - s->bend[0]);
        hole = f_min(hole, mid * 2.2f / (float)n);
        d = f_max(d, hole - f_len2(r * f_cos(sector) - mid, r * f_sin(sector)));
    }
    d = f_min(d, extrude(r - s->bend[0], p.z, s->height + s->bend[1], 0.012f));
    float key = f_max(fabsf(p.y) - 0.3f * s->hole, fabsf(p.x - s->hole) - 0.4f * s->hole);
    return f_max(d, -f_min(r - s->hole, key));
}

/* A coin or a button: height = half height; variant 1 has a raised rim. */
static float disc(const struct shape *s, struct v3 p)
{
    float r = f_len2(p.x, p.y);
    float half = s->variant == 1 && r < 0.44f ? s->height * 0.75f : s->height;
    return 0.9f * extrude(r - 0.5f, p.z, half, 0.01f);
}

/* A bare rod, or a pencil with a tip (variant 1) along x. */
static float rod(const struct shape *s, struct v3 p)
{
    float r = f_len2(p.y, p.z), side = s->variant == 0 ? r : hexagon(p.y, p.z, 0.0f);
    float width = s->variant == 0 ? s->radius : f_min(s->radius, 0.35f * (0.5f - p.x));
    return 0.9f * f_max(side - width, fabsf(p.x) - 0.5f);
}

/* radius, height = half extents along y and z. */
static float block(const struct shape *s, struct v3 p)
{
    float x = fabsf(p.x) - 0.48f, y = fabsf(p.y) - s->radius + 0.02f, z = fabsf(p.z) - s->height + 0.02f;
    struct v3 out = v3(f_max(x, 0.0f), f_max(y, 0.0f), f_max(z, 0.0f));
    return sqrtf(v_dot(out, out)) + f_min(f_max(x, f_max(y, z)), 0.0f) - 0.02f;
}

static float ball(const struct shape *s, struct v3 p)
{
    (void)s;
    return sqrtf(v_dot(p, p)) - 0.5f;
}

/* A thin rubber ring: radius = thickness. */
static float ring(const struct shape *s, struct v3 p)
{
    return f_len2(f_len2(p.x, p.y) - 0.5f + s->radius, p.z) - s->radius;
}

/* A piece of cable along x in a double bend: twelve straight pieces. */
static float cable(const struct shape *s, struct v3 p)
{
    float best = 1e9f, ax = -0.46f, ay = 0.0f;
    for (int i = 1; i <= 12; i++) {
        float u = (float)i / 12.0f, bx = -0.46f + 0.92f * u;
        float by = s->bend[0] * f_sin(u * SAMPLE_PI) + s->bend[1] * f_sin(u * 2.0f * SAMPLE_PI);
        float dx = bx - ax, dy = by - ay;
        float t = f_clamp(((p.x - ax) * dx + (p.y - ay) * dy) / (dx * dx + dy * dy), 0.0f, 1.0f);
        struct v3 q = v3(p.x - ax - dx * t, p.y - ay - dy * t, p.z);
        best = f_min(best, v_dot(q, q));
        ax = bx;
        ay = by;
    }
    return sqrtf(best) - s->radius;
}

float shape_distance(const struct shape *s, struct v3 p)
{
    static float (*const distance[SHAPE_KINDS])(const struct shape *, struct v3) = {
        bolt, nut, gear, disc, rod, block, ball, ring, cable, block,
    };
    return distance[s->kind](s, p);
}

static void roll_class(struct shape *s, struct dice *d)
{
    s->variant = dice_below(d, 3);
    if (s->kind == SHAPE_BOLT) {
        s->radius = dice_range(d, 0.075f, 0.125f);
        s->hole = s->radius * dice_range(d, 1.75f, 2.1f);
        s->height = s->radius * (s->variant == 2 ? 2.0f : dice_range(d, 1.2f, 1.6f));
        s->pitch = s->radius * dice_range(d, 0.36f, 0.5f);
        s->bend[0] = dice_unit(d) < 0.5f ? -0.5f : dice_range(d, -0.15f, 0.1f);
    } else if (s->kind == SHAPE_NUT) {
        s->variant = dice_unit(d) < 0.2f;
        s->radius = 0.5f;
        s->height = dice_range(d, 0.16f, 0.26f);
        s->hole = dice_range(d, 0.23f, 0.29f) * (s->variant ? 0.85f : 1.0f);
        s->pitch = dice_range(d, 0.06f, 0.09f);
    } else {
        s->count = 10 + dice_below(d, 13);
        s->radius = 0.5f - f_clamp(1.15f / (float)s->count, 0.055f, 0.1f);
        s->height = dice_range(d, 0.05f, 0.1f);
        s->hole = dice_range(d, 0.06f, 0.1f);
        s->pitch = dice_range(d, 0.28f, 0.4f);
        s->bend[0] = s->hole + dice_range(d, 0.05f, 0.09f);
        s->bend[1] = dice_unit(d) < 0.3f ? 0.0f : dice_range(d, 0.02f, 0.08f);
    }
}

void shape_roll(struct shape *s, enum shape_kind kind, struct dice *d)
{
    *s = (struct shape){.kind = kind};
    if (kind < (enum shape_kind)SHAPE_CLASSES) {
        roll_class(s, d);
        return;
    }
    s->variant = dice_below(d, 2);
    s->radius = kind == SHAPE_ROD     ? dice_range(d, 0.025f, 0.06f)
                : kind == SHAPE_BLOCK ? dice_range(d, 0.12f, 0.4f)
                : kind == SHAPE_SHEET ? dice_range(d, 0.25f, 0.45f)
                : kind == SHAPE_RING  ? dice_range(d, 0.025f, 0.05f)
                                      : dice_range(d, 0.018f, 0.035f);
    s->height = kind == SHAPE_SHEET   ? 0.025f
                : kind == SHAPE_BLOCK ? dice_range(d, 0.06f, 0.2f)
                                      : dice_range(d, 0.03f, 0.09f);
    s->bend[0] = dice_range(d, -0.18f, 0.18f);
    s->bend[1] = dice_range(d, -0.12f, 0.12f);
}

void shape_footprint(const struct shape *s, float *half_length, float *half_width, float *half_height)
{
    *half_length = 0.0f;
    *half_width = 0.5f;
    *half_height = s->height;
    switch (s->kind) {
    case SHAPE_BOLT:
        *half_width = *half_height = s->hole;
        break;
    case SHAPE_GEAR:
        *half_height = s->height + s->bend[1];
        break;
    case SHAPE_ROD:
        *half_width = *half_height = s->radius;
        break;
    case SHAPE_CABLE:
        *half_width = 0.2f;
        *half_height = s->radius;
        break;
    case SHAPE_BLOCK:
    case SHAPE_SHEET:
        *half_width = s->radius;
        break;
    case SHAPE_BALL:
        *half_height = 0.5f;
        break;
    case SHAPE_RING:
        *half_height = s->radius;
        break;
    default:
        break;
    }
    *half_length = 0.5f - *half_width;
}
