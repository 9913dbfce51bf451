/* Rolls a picture: camera, lamp, surface, and things that do not hide one another too much. */
#include "scene.h"

static const struct v3 metals[] = {
    {0.62f, 0.62f, 0.63f}, /* steel */
    {0.74f, 0.75f, 0.78f}, /* zinc */
    {0.80f, 0.60f, 0.26f}, /* brass */
    {0.76f, 0.42f, 0.28f}, /* copper */
    {0.20f, 0.20f, 0.22f}, /* black oxide */
    {0.42f, 0.40f, 0.40f}, /* old iron */
    {0.66f, 0.60f, 0.38f}, /* yellow passivation */
};
static const struct v3 paints[] = {
    {0.50f, 0.05f, 0.04f},  {0.04f, 0.12f, 0.42f}, {0.05f, 0.30f, 0.10f}, {0.62f, 0.46f, 0.05f}, {0.70f, 0.70f, 0.68f},
    {0.04f, 0.04f, 0.045f}, {0.60f, 0.22f, 0.04f}, {0.28f, 0.10f, 0.34f}, {0.06f, 0.36f, 0.40f}, {0.32f, 0.33f, 0.35f},
};
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static void material_roll(struct material *m, enum shape_kind kind, struct dice *d)
{
    bool is_metal = dice_unit(d) < (kind < (enum shape_kind)SHAPE_CLASSES ? 0.68f : 0.4f);
    if (kind == SHAPE_SHEET || kind == SHAPE_CABLE || kind == SHAPE_RING)
        is_metal = false;
    struct v3 c = is_metal ? metals[dice_below(d, COUNT(metals))] : paints[dice_below(d, COUNT(paints))];
    if (kind == SHAPE_SHEET)
        c = v_mix(c, v3(0.8f, 0.8f, 0.76f), dice_range(d, 0.4f, 1.0f));
    m->colour = v_mul(c, dice_tint(d, 0.15f, 0.12f, 0.15f));
    m->metal = is_metal ? dice_range(d, 0.75f, 1.0f) : 0.0f;
    m->gloss = kind == SHAPE_SHEET ? 0.02f : is_metal ? dice_range(d, 0.3f, 0.95f) : dice_range(d, 0.05f, 0.7f);
    m->rust = is_metal && dice_unit(d) < 0.3f ? dice_range(d, 0.3f, 0.95f) : 0.0f;
    m->scuff = dice_range(d, 0.0f, 0.35f);
    m->seed = dice_u32(d);
}

static void camera_roll(struct camera *c, struct dice *d)
{
    static const int sizes[][2] = {{320, 240}, {320, 240}, {320, 240}, {240, 320},
                                   {288, 288}, {320, 180}, {300, 200}, {216, 288}};
    int pick = dice_below(d, COUNT(sizes));
    c->w = sizes[pick][0];
    c->h = sizes[pick][1];
    float height = dice_unit(d) < 0.3f ? dice_range(d, 82.0f, 89.5f) : dice_range(d, 50.0f, 82.0f);
    float tilt = height * SAMPLE_PI / 180.0f, roll = dice_range(d, -0.12f, 0.12f),
          distance = dice_range(d, 9.0f, 15.0f);
    c->focus = distance / SCENE_SPAN;
    c->at = v3(0.0f, -distance * f_cos(tilt), distance * f_sin(tilt));
    c->forward = v_unit(v_scale(c->at, -1.0f));
    struct v3 right = v3(1.0f, 0.0f, 0.0f), up = v_cross(right, c->forward);
    c->right = v_along(v_scale(right, f_cos(roll)), up, f_sin(roll));
    c->up = v_cross(c->right, c->forward);
}

static struct v3 warmth(float t) /* -1 lamp light .. 1 blue sky */
{
    return t < 0.0f ? v_mix(v3(1.0f, 1.0f, 1.0f), v3(1.15f, 0.92f, 0.62f), -t)
                    : v_mix(v3(1.0f, 1.0f, 1.0f), v3(0.85f, 0.98f, 1.2f), t);
}

static struct v3 direction(float azimuth, float elevation)
{
    return v3(f_cos(azimuth) * f_cos(elevation), f_sin(azimuth) * f_cos(elevation), f_sin(elevation));
}

static void light_roll(struct light *l, struct dice *d)
{
    float azimuth = dice_range(d, 0.0f, 2.0f * SAMPLE_PI), tint = dice_range(d, -1.0f, 0.6f);
    l->towards = direction(azimuth, dice_range(d, 0.5f, 1.3f));
    l->colour = v_scale(warmth(tint), dice_range(d, 0.7f, 2.0f));
    l->softness = dice_range(d, 0.02f, 0.3f);
    float sky_power = dice_range(d, 0.18f, 0.55f), sky_tint = tint + dice_range(d, 0.0f, 0.9f);
    l->sky = v_scale(warmth(f_clamp(sky_tint, -1.0f, 1.0f)), sky_power);
    l->wall = v_scale(l->sky, dice_range(d, 0.25f, 0.8f));
    float box_height = dice_range(d, 0.5f, 1.5f);
    l->box_at = direction(azimuth + dice_range(d, -1.2f, 1.2f), box_height);
    l->box_cos = dice_range(d, 0.78f, 0.95f);
    l->box_power = dice_range(d, 0.4f, 1.6f);
    l->pool.z = dice_unit(d) < 0.5f ? dice_range(d, 0.0f, 0.06f) : 0.0f;
    l->pool.y = dice_range(d, -3.0f, 3.0f);
    l->pool.x = dice_range(d, -4.0f, 4.0f);
}

static void lens_roll(struct lens *l, struct dice *d)
{
    l->key = dice_range(d, 0.13f, 0.46f);
    l->blur_px = dice_unit(d) < 0.75f ? dice_range(d, 0.25f, 0.75f) : dice_range(d, 0.75f, 1.1f);
    bool moves = dice_unit(d) < 0.15f;
    l->motion_x = moves ? dice_range(d, -0.9f, 0.9f) : 0.0f;
    l->motion_y = moves ? dice_range(d, -0.9f, 0.9f) : 0.0f;
    bool is_dark = dice_unit(d) < 0.15f; /* high gain */
    l->shot = is_dark ? dice_range(d, 0.03f, 0.05f) : dice_range(d, 0.004f, 0.02f);
    l->read = is_dark ? dice_range(d, 0.003f, 0.01f) : dice_range(d, 0.0005f, 0.003f);
    l->vignette = dice_range(d, 0.0f, 0.4f);
    l->saturation = dice_unit(d) < 0.05f ? 0.0f : dice_range(d, 0.7f, 1.15f);
    float blue = dice_range(d, 0.87f, 1.15f);
    l->balance = v3(dice_range(d, 0.87f, 1.15f), 1.0f, blue);
    l->seed = dice_u32(d);
}

/* The point of the surface under a picture point given in 0..1. */
static struct v3 on_ground(const struct camera *c, float u, float v)
{
    struct v3 ray = camera_ray(c, u * (float)c->w, v * (float)c->h);
    return v_along(c->at, ray, c->at.z / f_max(-ray.z, 0.05f));
}

static float gap(const struct thing *a, const struct thing *b)
{
    float best = 1e9f;
    for (int i = -3; i <= 3; i++)
        for (int k = -3; k <= 3; k++) {
            struct v3 p = v_along(a->at, a->axis[0], a->half_length * (float)i / 3.0f);
            struct v3 q = v_along(b->at, b->axis[0], b->half_length * (float)k / 3.0f);
            best = f_min(best, f_len2(p.x - q.x, p.y - q.y));
        }
    return best - a->half_width - b->half_width;
}

/* Turns the thing about z, tips it, and sets it down on whatever lies under it. */
static void settle(struct scene *s, struct thing *th, struct dice *d)
{
    float half_height, base = 0.0f, yaw = dice_range(d, 0.0f, 2.0f * SAMPLE_PI);
    shape_footprint(&th->shape, &th->half_length, &th->half_width, &half_height);
    th->half_length *= th->size;
    th->half_width *= th->size;
    half_height *= th->size;
    th->axis[0] = direction(yaw, 0.0f);
    for (int i = 0; i < s->n_things; i++)
        if (gap(th, &s->things[i]) < -0.03f * th->size)
            base = f_max(base, s->things[i].top);

    float tip = base > 0.0f                                           ? dice_range(d, 0.03f, 0.16f)
                : th->shape.kind == SHAPE_NUT && dice_unit(d) < 0.15f ? dice_range(d, 0.1f, 0.3f)
                                                                      : 0.0f;
    th->axis[0] = direction(yaw, tip);
    th->axis[1] = direction(yaw + 0.5f * SAMPLE_PI, 0.0f);
    th->axis[2] = v_cross(th->axis[0], th->axis[1]);
    if (th->shape.kind == SHAPE_BOLT || th->shape.kind == SHAPE_ROD) { /* round things lie on any side */
        float spin = dice_range(d, 0.0f, 2.0f * SAMPLE_PI), c = f_cos(spin), n = f_sin(spin);
        struct v3 y = th->axis[1], z = th->axis[2];
        th->axis[1] = v_along(v_scale(y, c), z, n);
        th->axis[2] = v_along(v_scale(z, c), y, -n);
    }
    float lift = half_height * f_cos(tip) + (th->half_length + th->half_width) * f_sin(tip);
    if (base > 0.0f) { /* one end rests below what it lies on */
        lift = half_height;
        base *= 0.9f;
    }
    th->at.z = base + lift;
    th->top = base + 2.0f * lift;
    th->bound = th->size * (th->shape.kind == SHAPE_BLOCK || th->shape.kind == SHAPE_SHEET ? 0.72f : 0.57f);
}

static float size_roll(enum shape_kind kind, struct dice *d)
{
    static const float range[SHAPE_KINDS][2] = {
        [SHAPE_BOLT] = {0.2f, 0.46f}, [SHAPE_NUT] = {0.12f, 0.36f}, [SHAPE_GEAR] = {0.14f, 0.44f},
        [SHAPE_DISC] = {0.08f, 0.22f}, [SHAPE_ROD] = {0.25f, 0.7f},  [SHAPE_BLOCK] = {0.1f, 0.35f},
        [SHAPE_BALL] = {0.06f, 0.14f}, [SHAPE_RING] = {0.12f, 0.3f}, [SHAPE_CABLE] = {0.4f, 1.0f},
        [SHAPE_SHEET] = {0.3f, 0.7f},
    };
    float u = 0.5f * dice_unit(d);
    u += 0.5f * dice_unit(d); /* the middle sizes are commonest */
    return SCENE_SPAN * f_mix(range[kind][0], range[kind][1], u);
}

static void thing_roll(struct scene *s, enum shape_kind kind, struct dice *d)
{
    struct thing *th = &s->things[s->n_things];
    *th = (struct thing){.size = size_roll(kind, d)};
    shape_roll(&th->shape, kind, d);
    material_roll(&th->material, kind, d);
    float u = dice_range(d, 0.1f, 0.9f), v = dice_range(d, 0.1f, 0.9f);
    if (s->n_things > 0 && dice_unit(d) < 0.2f) { /* beside or over another thing */
        const struct thing *other = &s->things[dice_below(d, s->n_things)];
        float turn = dice_range(d, 0.0f, 2.0f * SAMPLE_PI),
              far = 0.5f * (th->size + other->size) * dice_range(d, 0.6f, 1.0f);
        th->at = v_along(other->at, direction(turn, 0.0f), far);
    } else {
        th->at = on_ground(&s->camera, u, v);
    }
    settle(s, th, d);
    s->n_things++;
}

/* Every labelled thing must show at least `least` of itself: rays on a coarse grid over the picture and half a
 * picture around it, since a thing may also be cut by the border. */
static bool is_clear(const struct scene *s, float least)
{
    const struct camera *c = &s->camera;
    int whole[SCENE_MAX_THINGS] = {0}, seen[SCENE_MAX_THINGS] = {0};
    const int step = 4;
    for (int y = -c->h / 2; y < c->h * 3 / 2; y += step)
        for (int x = -c->w / 2; x < c->w * 3 / 2; x += step) {
            struct v3 ray = camera_ray(c, (float)x, (float)y);
            bool inside = x >= 0 && y >= 0 && x < c->w && y < c->h;
            int nearest = -1;
            float t, t_nearest = 1e9f;
            for (int i = 0; i < s->n_things; i++)
                if (thing_hit(&s->things[i], c->at, ray, &t)) {
                    whole[i]++;
                    if (t < t_nearest) {
                        t_nearest = t;
                        nearest = i;
                    }
                }
            if (inside && nearest >= 0)
                seen[nearest]++;
        }
    for (int i = 0; i < s->n_things; i++)
        if (s->things[i].shape.kind < (enum shape_kind)SHAPE_CLASSES && (float)seen[i] < least * (float)whole[i])
            return false;
    return true;
}

static void things_roll(struct scene *s, int n_objects, int n_clutter, struct dice *d)
{
    enum shape_kind queue[SCENE_MAX_THINGS];
    int n = 0;
    for (int i = 0; i < n_clutter; i++)
        queue[n++] = (enum shape_kind)(SHAPE_CLASSES + dice_below(d, SHAPE_KINDS - SHAPE_CLASSES));
    for (int i = 0; i < n_objects; i++)
        queue[n++] = (enum shape_kind)dice_below(d, SHAPE_CLASSES);
    for (int i = n - 1; i > 0; i--) { /* what comes later lies on top */
        int k = dice_below(d, i + 1);
        enum shape_kind swap = queue[i];
        queue[i] = queue[k];
        queue[k] = swap;
    }
    s->n_things = 0;
    for (int i = 0; i < n; i++)
        thing_roll(s, queue[i], d);
}

void layout_roll(struct scene *s, uint32_t seed, int index, bool is_empty)
{
    struct dice d = dice_of(seed, (uint32_t)index);
    static const int how_many[] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5};
    *s = (struct scene){0};
    camera_roll(&s->camera, &d);
    light_roll(&s->light, &d);
    lens_roll(&s->lens, &d);
    ground_roll(&s->ground, &d);
    int n_objects = is_empty ? 0 : how_many[dice_below(&d, COUNT(how_many))];
    int n_clutter = dice_below(&d, 3) + is_empty;
    do /* the numbers stay: else full pictures, which fail oftener, would become rare */
        things_roll(s, n_objects, n_clutter, &d);
    while (!is_clear(s, 0.75f));
}
