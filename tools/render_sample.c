/* Renders the sample dataset: bolts, nuts and gears among clutter on workshop surfaces, with YOLO labels.
 *
 *     render_sample FOLDER [FIRST [COUNT]]
 *
 * Each picture is a function of its index alone, so a part can be rendered on its own, and the same program writes
 * the same bytes everywhere (see sample/vec.h). Labels are the extents of what is visible, from the samples hit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample/film.h"
#include "sample/scene.h"

#define SEED 20u
#define N_IMAGES 240
#define SUBSAMPLES 2 /* per side of a pixel */

static float light[FILM_MAX_SIDE * FILM_MAX_SIDE * 3];
static uint8_t rgb[FILM_MAX_SIDE * FILM_MAX_SIDE * 3];

struct extent {
    int x0, y0, x1, y1, n; /* in samples, inclusive */
};

static bool is_validation(int index)
{
    return index % 5 == 2;
}

static bool is_empty(int index)
{
    return index % 17 == 6; /* 6 %, in both parts */
}

static void expose(const struct scene *s, struct extent *seen)
{
    const struct camera *c = &s->camera;
    for (int i = 0; i < s->n_things; i++)
        seen[i] = (struct extent){c->w * SUBSAMPLES, c->h * SUBSAMPLES, -1, -1, 0};
    memset(light, 0, sizeof light);
    for (int y = 0; y < c->h * SUBSAMPLES; y++)
        for (int x = 0; x < c->w * SUBSAMPLES; x++) {
            struct v3 ray = camera_ray(c, ((float)x + 0.5f) / SUBSAMPLES, ((float)y + 0.5f) / SUBSAMPLES);
            int id;
            struct v3 got = scene_light(s, c->at, ray, &id);
            float *px = &light[(y / SUBSAMPLES * c->w + x / SUBSAMPLES) * 3];
            px[0] += got.x / (SUBSAMPLES * SUBSAMPLES);
            px[1] += got.y / (SUBSAMPLES * SUBSAMPLES);
            px[2] += got.z / (SUBSAMPLES * SUBSAMPLES);
            if (id < 0)
                continue;
            struct extent *e = &seen[id];
            e->x0 = x < e->x0 ? x : e->x0;
            e->y0 = y < e->y0 ? y : e->y0;
            e->x1 = x > e->x1 ? x : e->x1;
            e->y1 = y > e->y1 ? y : e->y1;
            e->n++;
        }
}

/* A millionth is enough for a label; integers keep the text the same everywhere. */
static void print_fraction(FILE *f, long numerator, long denominator)
{
    long millionths = (numerator * 1000000 + denominator / 2) / denominator;
    fprintf(f, " %ld.%06ld", millionths / 1000000, millionths % 1000000);
}

static bool write_labels(const char *path, const struct scene *s, const struct extent *seen)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    long w = s->camera.w * SUBSAMPLES, h = s->camera.h * SUBSAMPLES;
    for (int i = 0; i < s->n_things; i++) {
        const struct extent *e = &seen[i];
        if (s->things[i].shape.kind >= (enum shape_kind)SHAPE_CLASSES || e->n == 0)
            continue;
        fprintf(f, "%d", (int)s->things[i].shape.kind);
        print_fraction(f, e->x0 + e->x1 + 1, 2 * w);
        print_fraction(f, e->y0 + e->y1 + 1, 2 * h);
        print_fraction(f, e->x1 - e->x0 + 1, w);
        print_fraction(f, e->y1 - e->y0 + 1, h);
        fputc('\n', f);
    }
    bool ok = !ferror(f);
    return fclose(f) == 0 && ok;
}

static bool write_yaml(void)
{
    FILE *f = fopen("data.yaml", "w");
    if (!f)
        return false;
    fputs("# Parts on workshop surfaces, rendered by tools/render_sample.c (see docs/sample-dataset.md).\n"
          "train: images/train\n"
          "val: images/val\n"
          "names:\n"
          "  0: bolt\n"
          "  1: nut\n"
          "  2: gear\n",
          f);
    bool ok = !ferror(f);
    return fclose(f) == 0 && ok;
}

static bool render(int index)
{
    struct scene s;
    struct extent seen[SCENE_MAX_THINGS];
    layout_roll(&s, SEED, index, is_empty(index));
    expose(&s, seen);
    film_develop(&s.lens, light, s.camera.w, s.camera.h, rgb);

    const char *part = is_validation(index) ? "val" : "train";
    char path[64];
    snprintf(path, sizeof path, "images/%s/parts-%03d.jpg", part, index);
    if (!film_save(path, rgb, s.camera.w, s.camera.h))
        return false;
    snprintf(path, sizeof path, "labels/%s/parts-%03d.txt", part, index);
    return write_labels(path, &s, seen);
}

static bool make_folders(void)
{
    static const char *const names[] = {"images", "images/train", "images/val", "labels", "labels/train", "labels/val"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mkdir(names[i], 0777) != 0 && errno != EEXIST)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: render_sample FOLDER [FIRST [COUNT]]\n");
        return 2;
    }
    long first = argc > 2 ? strtol(argv[2], NULL, 10) : 0, count = argc > 3 ? strtol(argv[3], NULL, 10) : N_IMAGES;
    if ((mkdir(argv[1], 0777) != 0 && errno != EEXIST) || chdir(argv[1]) != 0 || !make_folders() || !write_yaml()) {
        fprintf(stderr, "render_sample: cannot write in %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    for (long i = first < 0 ? 0 : first; i < N_IMAGES && i < first + count; i++)
        if (!render((int)i)) {
            fprintf(stderr, "render_sample: picture %ld in %s: %s\n", i, argv[1], strerror(errno));
            return 1;
        }
    return 0;
}
