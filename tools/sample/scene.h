/* What a picture shows: things on a surface, a lamp, a room, a camera. Lengths are in units of which the picture's
 * longer side spans about eight at the surface; z is up, the surface is z = 0. */
#ifndef SAMPLE_SCENE_H
#define SAMPLE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "vec.h"

#define SCENE_SPAN 8.0f
#define SCENE_MAX_THINGS 16

enum shape_kind {
    SHAPE_BOLT, /* the first three are the classes, in the order of data.yaml */
    SHAPE_NUT,
    SHAPE_GEAR,
    SHAPE_DISC, /* the rest is clutter and carries no label */
    SHAPE_ROD,
    SHAPE_BLOCK,
    SHAPE_BALL,
    SHAPE_RING,
    SHAPE_CABLE,
    SHAPE_SHEET,
    SHAPE_KINDS
};
#define SHAPE_CLASSES 3

/* A shape is a signed distance in its own space, where its longest extent is 1 and it is centred on the origin. */
struct shape {
    enum shape_kind kind;
    int variant, count;                /* head form, number of teeth, ... */
    float radius, height, hole, pitch; /* what each means is said at the shape's function */
    float bend[2];
};

struct material {
    struct v3 colour;
    float metal;       /* 0 paint or plastic .. 1 bare metal */
    float gloss;       /* 0 dull .. 1 polished */
    float rust, scuff; /* strength of the stains and of the scratches */
    uint32_t seed;
};

struct thing {
    struct shape shape;
    struct material material;
    struct v3 axis[3]; /* the shape's x, y, z in the world; orthonormal */
    struct v3 at;
    float size;                         /* world length of the longest extent */
    float bound;                        /* world radius of a ball that holds it */
    float half_length, half_width, top; /* footprint: a segment along axis[0] with a radius; highest z */
};

enum ground_kind {
    GROUND_WOOD,
    GROUND_CONCRETE,
    GROUND_BRUSHED,
    GROUND_MAT,
    GROUND_BELT,
    GROUND_PLAIN,
    GROUND_CARDBOARD,
    GROUND_TILES,
    GROUND_GRANITE,
    GROUND_CLOTH,
    GROUND_KINDS
};

struct ground {
    enum ground_kind kind;
    struct v3 colour, second;
    float turn_cos, turn_sin, scale, bump, gloss, dirt;
    uint32_t seed;
};

struct light {
    struct v3 towards, colour; /* the key light */
    float softness;            /* of its shadow: larger is softer */
    struct v3 sky, wall;       /* what shines from above and from the horizon */
    struct v3 box_at;          /* direction of a bright panel that metal mirrors */
    float box_cos, box_power;
    struct v3 pool; /* x, y of the brightest spot on the surface, z = fall-off */
};

struct camera {
    struct v3 at, right, up, forward;
    float focus; /* distance of the picture plane at which the longer side is 1 long */
    int w, h;
};

struct lens {
    float key, blur_px, motion_x, motion_y, shot, read, vignette, saturation;
    struct v3 balance;
    uint32_t seed;
};

struct scene {
    struct thing things[SCENE_MAX_THINGS];
    int n_things;
    struct ground ground;
    struct light light;
    struct camera camera;
    struct lens lens;
};

/* shapes.c */
float shape_distance(const struct shape *s, struct v3 p);
void shape_roll(struct shape *s, enum shape_kind kind, struct dice *d);
void shape_footprint(const struct shape *s, float *half_length, float *half_width, float *half_height);

/* ground.c: colour and tilted normal of the surface at (x, y) */
struct v3 ground_colour(const struct ground *g, float x, float y, struct v3 *normal);
void ground_roll(struct ground *g, struct dice *d);

/* layout.c: everything of a picture but its pixels */
void layout_roll(struct scene *s, uint32_t seed, int index, bool is_empty);

/* trace.c. Picture coordinates are pixels, y down, (0, 0) the upper left corner. */
struct v3 camera_ray(const struct camera *c, float px, float py);
/* The nearest thing along the ray from the camera, or -1; *t is its distance. */
int scene_hit(const struct scene *s, struct v3 from, struct v3 ray, float *t);
bool thing_hit(const struct thing *th, struct v3 from, struct v3 ray, float *t);
struct v3 scene_light(const struct scene *s, struct v3 from, struct v3 ray, int *id);

/* film.c: linear light w*h*3 in place to bytes */
void film_develop(const struct lens *l, float *light, int w, int h, uint8_t *rgb);
bool film_save(const char *path, const uint8_t *rgb, int w, int h);

#endif
