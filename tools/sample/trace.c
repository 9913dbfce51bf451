/* Rays against the things (sphere tracing inside each thing's bounding ball) and the light that comes back. */
#include "scene.h"

struct v3 camera_ray(const struct camera *c, float px, float py)
{
    float longer = (float)(c->w > c->h ? c->w : c->h);
    float x = (px - 0.5f * (float)c->w) / longer, y = (0.5f * (float)c->h - py) / longer;
    return v_unit(v_along(v_along(v_scale(c->forward, c->focus), c->right, x), c->up, y));
}

static struct v3 to_local(const struct thing *th, struct v3 p)
{
    struct v3 q = v_scale(v_sub(p, th->at), 1.0f / th->size);
    return v3(v_dot(q, th->axis[0]), v_dot(q, th->axis[1]), v_dot(q, th->axis[2]));
}

static float thing_distance(const struct thing *th, struct v3 p)
{
    return shape_distance(&th->shape, to_local(th, p)) * th->size;
}

/* The stretch of the ray inside a ball around the thing. */
static bool bound_span(const struct thing *th, float radius, struct v3 from, struct v3 ray, float *t0, float *t1)
{
    struct v3 o = v_sub(from, th->at);
    float b = v_dot(o, ray), c = v_dot(o, o) - radius * radius, q = b * b - c;
    if (q <= 0.0f)
        return false;
    q = sqrtf(q);
    *t0 = f_max(-b - q, 0.0f);
    *t1 = -b + q;
    return *t1 > 0.0f;
}

bool thing_hit(const struct thing *th, struct v3 from, struct v3 ray, float *t)
{
    float t0, t1;
    if (!bound_span(th, th->bound, from, ray, &t0, &t1))
        return false;
    for (int i = 0; i < 72 && t0 < t1; i++) {
        float d = thing_distance(th, v_along(from, ray, t0));
        if (d < 0.0025f) {
            *t = t0;
            return true;
        }
        t0 += d * 0.9f;
    }
    return false;
}

int scene_hit(const struct scene *s, struct v3 from, struct v3 ray, float *t)
{
    int best = -1;
    for (int i = 0; i < s->n_things; i++) {
        float d;
        if (thing_hit(&s->things[i], from, ray, &d) && (best < 0 || d < *t)) {
            best = i;
            *t = d;
        }
    }
    return best;
}

static struct v3 thing_normal(const struct thing *th, struct v3 p)
{
    static const struct v3 corner[4] = {{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}};
    struct v3 q = to_local(th, p), n = {0};
    for (int i = 0; i < 4; i++)
        n = v_along(n, corner[i], shape_distance(&th->shape, v_along(q, corner[i], 0.004f)));
    return v_unit(v_along(v_along(v_scale(th->axis[0], n.x), th->axis[1], n.y), th->axis[2], n.z));
}

/* 0 in full shadow .. 1 in full light: the nearest miss along the ray to the lamp (Quilez, "Soft shadows"). */
static float shadow(const struct scene *s, struct v3 p)
{
    float lit = 1.0f, soft = s->light.softness;
    for (int i = 0; i < s->n_things; i++) {
        const struct thing *th = &s->things[i];
        float t0, t1;
        if (!bound_span(th, th->bound * 1.2f, p, s->light.towards, &t0, &t1))
            continue;
        t0 = f_max(t0, 0.02f);
        for (int k = 0; k < 40 && t0 < t1; k++) {
            float d = thing_distance(th, v_along(p, s->light.towards, t0));
            lit = f_min(lit, 0.5f + 0.5f * d / (soft * (t0 + 0.05f)));
            if (lit <= 0.0f)
                return 0.0f;
            t0 += f_clamp(d, 0.02f, 0.4f);
        }
    }
    lit = f_clamp(lit, 0.0f, 1.0f);
    return lit * lit * (3.0f - 2.0f * lit);
}

/* How much of the sky a point sees, from the room above it at three heights. */
static float openness(const struct scene *s, struct v3 p, struct v3 n)
{
    float open = 1.0f;
    for (int k = 0; k < 3; k++) {
        float reach = 0.06f + 0.16f * (float)k, room = reach;
        struct v3 q = v_along(p, n, reach);
        for (int i = 0; i < s->n_things; i++) {
            struct v3 o = v_sub(q, s->things[i].at);
            float r = s->things[i].bound + reach;
            if (v_dot(o, o) < r * r)
                room = f_min(room, thing_distance(&s->things[i], q));
        }
        room = f_min(room, f_max(q.z, 0.0f));
        open -= 0.42f * (1.0f - f_clamp(room / reach, 0.0f, 1.0f)) / (float)(k + 1);
    }
    return f_max(open, 0.08f);
}

/* What a mirror in direction r would show of the room. */
static struct v3 room(const struct scene *s, struct v3 r, float gloss)
{
    const struct light *l = &s->light;
    float blur = 0.55f - 0.45f * gloss;
    struct v3 c = v_mix(l->wall, l->sky, f_step(-0.1f, 0.9f, r.z));
    struct v3 floor = v_mul(v_add(l->colour, l->sky), v_scale(s->ground.colour, 0.45f));
    c = v_mix(floor, c, f_step(-blur, blur, r.z));
    float panel = f_step(l->box_cos - blur * 0.6f, l->box_cos + blur * 0.25f, v_dot(r, l->box_at));
    return v_along(c, v3(1.0f, 1.0f, 1.0f), panel * l->box_power);
}

static float fall_off(const struct light *l, struct v3 p)
{
    float dx = p.x - l->pool.x, dy = p.y - l->pool.y;
    return 1.0f / (1.0f + l->pool.z * (dx * dx + dy * dy));
}

/* Stains, scratches and print, in the thing's own space so that they turn with it. */
static struct v3 own_colour(const struct thing *th, struct v3 p, float *gloss, float *metal)
{
    const struct material *m = &th->material;
    struct v3 q = to_local(th, p);
    float x = q.x * 5.0f + q.z * 3.1f, y = q.y * 5.0f + q.z * 4.3f;
    float rust = m->rust * f_step(-0.1f, 0.35f, noise_sum(x, y, 3, m->seed));
    float scuff = 1.0f + m->scuff * noise_sum(x * 3.0f, y * 0.9f, 3, m->seed + 50u);
    struct v3 c = v_scale(m->colour, scuff);
    if (th->shape.kind == SHAPE_SHEET && th->shape.variant == 1) {
        float text = f_step(0.1f, 0.4f, f_triangle(q.y * 14.0f)) *
                     f_step(-0.2f, 0.1f, noise2(q.x * 40.0f, floorf(q.y * 14.0f), m->seed));
        if (fabsf(q.x) < 0.4f && fabsf(q.y) < th->shape.radius - 0.06f)
            c = v_scale(c, 1.0f - 0.75f * text);
    }
    *gloss = m->gloss * (1.0f - 0.8f * rust);
    *metal = m->metal * (1.0f - rust);
    return v_mix(c, v3(0.17f, 0.07f, 0.03f), rust);
}

static struct v3 thing_light(const struct scene *s, const struct thing *th, struct v3 p, struct v3 ray)
{
    const struct light *l = &s->light;
    struct v3 n = thing_normal(th, p);
    float gloss, metal;
    struct v3 c = own_colour(th, p, &gloss, &metal);
    float open = openness(s, p, n), facing = f_max(v_dot(n, l->towards), 0.0f);
    float key = facing > 0.0f ? shadow(s, v_along(p, n, 0.03f)) * fall_off(l, p) : 0.0f;
    struct v3 mirror = v_along(ray, n, -2.0f * v_dot(ray, n));
    struct v3 half = v_unit(v_sub(l->towards, ray));
    float glint = f_power2(f_max(v_dot(n, half), 0.0f), gloss > 0.6f   ? 6
                                                        : gloss > 0.3f ? 5
                                                                       : 4) *
                  key * (0.4f + 2.2f * gloss);

    struct v3 around = v_scale(v_mix(l->wall, l->sky, 0.5f + 0.5f * n.z), open);
    struct v3 dull = v_mul(c, v_along(around, l->colour, facing * key));
    struct v3 mirrored = v_scale(room(s, mirror, gloss), open);
    float edge = 1.0f - f_clamp(-v_dot(ray, n), 0.0f, 1.0f), fresnel = 0.04f + 0.5f * gloss * f_power2(edge, 2) * edge;
    struct v3 paint = v_add(v_along(dull, mirrored, fresnel), v_scale(l->colour, glint * 0.25f));
    struct v3 bare = v_mul(c, v_along(v_along(mirrored, l->colour, glint), l->colour, 0.25f * facing * key));
    return v_mix(paint, bare, metal);
}

static struct v3 ground_light(const struct scene *s, struct v3 p, struct v3 ray)
{
    const struct light *l = &s->light;
    struct v3 n, c = ground_colour(&s->ground, p.x, p.y, &n);
    float facing = f_max(v_dot(n, l->towards), 0.0f), key = shadow(s, p) * fall_off(l, p);
    float open = openness(s, p, v3(0.0f, 0.0f, 1.0f));
    struct v3 half = v_unit(v_sub(l->towards, ray));
    float glint = f_power2(f_max(v_dot(n, half), 0.0f), 4) * key * s->ground.gloss * 0.6f;
    struct v3 out = v_mul(c, v_along(v_scale(l->sky, open), l->colour, facing * key));
    struct v3 mirror = v_along(ray, n, -2.0f * v_dot(ray, n));
    out = v_along(out, room(s, mirror, 0.2f), 0.12f * s->ground.gloss * open);
    return v_along(out, l->colour, glint);
}

struct v3 scene_light(const struct scene *s, struct v3 from, struct v3 ray, int *id)
{
    float t = 0.0f, to_ground = ray.z < -1e-4f ? -from.z / ray.z : 1e9f;
    *id = scene_hit(s, from, ray, &t);
    if (*id >= 0 && t < to_ground)
        return thing_light(s, &s->things[*id], v_along(from, ray, t), ray);
    *id = -1;
    return to_ground < 1e8f ? ground_light(s, v_along(from, ray, to_ground), ray) : s->light.wall;
}
