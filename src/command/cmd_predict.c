/* Detections as JSON lines, one line per image, as docs/predict.md describes them:
 *   {"image":"a.jpg","width":640,"height":480,"detections":[
 *    {"class":"cat","class_id":0,"score":0.9,"box":[x1,y1,x2,y2]}]} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/commands.h"
#include "command/pictures.h"
#include "command/show.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"
#include "image/draw.h"
#include "image/image.h"
#include "pipeline/stages.h"

#define PREDICT_BATCH 16

struct prediction {
    struct job *j;
    struct loaded m;
    struct pictures pictures;
    const char *annotate_dir; /* "" = draw nothing */
    int first, n;             /* of the batch at work */
    struct answer answers[PREDICT_BATCH];
    bool is_drawn[PREDICT_BATCH];
    int n_read, n_failed;
    long n_detections;
    long *n_per_class;
};

/* The shortest decimal that is the same float, so that a box reads 123.4 and not 123.4000015258789. */
static double shortest(float v)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    return strtod(text, NULL);
}

static struct json *json_of_detection(const struct loaded *m, const struct detection *d)
{
    struct json *one = json_new_object(), *box = json_new_array();
    const float sides[4] = {d->box.x1, d->box.y1, d->box.x2, d->box.y2};
    for (int k = 0; k < 4; k++)
        json_append(box, json_new_number(shortest(sides[k])));
    json_set(one, "class", json_new_string(m->class_names[d->class_id]));
    json_set(one, "class_id", json_new_int(d->class_id));
    json_set(one, "score", json_new_number(shortest(d->score)));
    json_set(one, "box", box);
    return one;
}

static void print_answer(struct prediction *p, const struct picture *picture, const struct answer *answer, bool is_drawn)
{
    struct json *root = json_new_object(), *list = json_new_array();
    json_set(root, "image", json_new_string(picture->name));
    json_set(root, "width", json_new_int(answer->w));
    json_set(root, "height", json_new_int(answer->h));
    if (is_drawn) {
        struct arena a = {0};
        const char *below = picture->copy + strlen(p->annotate_dir);
        json_set(root, "annotated", json_new_string(fs_join(&a, p->j->config->annotate, below + strspn(below, "/"))));
        arena_free(&a);
    }
    for (int i = 0; i < answer->n; i++) {
        json_append(list, json_of_detection(&p->m, &answer->all[i]));
        p->n_per_class[answer->all[i].class_id]++;
    }
    json_set(root, "detections", list);
    show_json_line(root);
    json_free(root);
}

static void draw_item(void *ctx, int i, int worker)
{
    (void)worker;
    struct prediction *p = ctx;
    struct answer *a = &p->answers[i];
    const struct picture *picture = &p->pictures.all[p->first + i];
    struct image im = {0};
    struct arena names = {0};
    if (a->error.code != ERR_NONE || stop_requested())
        return;
    if (fs_mkdirs(fs_dir(&names, picture->copy), &a->error) && image_load(picture->path, &im, &a->error)) {
        draw_detections(&im, a->all, a->n, p->m.class_names, p->m.n_classes);
        p->is_drawn[i] = image_save(picture->copy, &im, &a->error);
        image_free(&im);
    }
    arena_free(&names);
}

static bool predict_batch(struct prediction *p, const struct predict_options *o, struct error *e)
{
    const char *paths[PREDICT_BATCH];
    for (int i = 0; i < p->n; i++) {
        paths[i] = p->pictures.all[p->first + i].path;
        p->is_drawn[i] = false;
    }
    if (!stage_predict(&p->m, paths, p->n, o, p->answers, e))
        return false;
    if (*p->annotate_dir)
        pool_run(p->j->pool, p->n, draw_item, p);
    for (int i = 0; i < p->n; i++) {
        const struct answer *a = &p->answers[i];
        bool is_failed = a->error.code != ERR_NONE;
        if (is_failed)
            log_error("%s", a->error.message);
        p->n_failed += is_failed;
        if (a->w == 0) /* it could not even be read */
            continue;
        p->n_read++;
        p->n_detections += a->n;
        print_answer(p, &p->pictures.all[p->first + i], a, p->is_drawn[i]);
    }
    return !stop_requested() || fail(e, ERR_STOPPED, "predict: stopped by a signal");
}

/* "round 12, hex 3": classes that were seen, in id order. */
static const char *count_classes(const struct prediction *p)
{
    const char *text = "";
    for (int c = 0; c < p->m.n_classes; c++)
        if (p->n_per_class[c])
            text = arena_printf(p->j->arena, "%s%s%s %ld", text, *text ? ", " : " (", p->m.class_names[c],
                                p->n_per_class[c]);
    return *text ? arena_printf(p->j->arena, "%s)", text) : "";
}

static bool predict_all(struct prediction *p, struct error *e)
{
    const struct config *c = p->j->config;
    const struct predict_options o = {c->confidence, c->iou, c->max_detections};
    double from = clock_seconds();
    for (p->first = 0; p->first < p->pictures.n; p->first += p->n) {
        p->n = p->pictures.n - p->first < PREDICT_BATCH ? p->pictures.n - p->first : PREDICT_BATCH;
        if (!predict_batch(p, &o, e))
            return false;
        log_status("%d of %d images", p->first + p->n, p->pictures.n);
    }
    log_status("%s", "");
    double seconds = clock_seconds() - from;
    log_info("%d image%s in %.1f s, %.1f images/s: %ld detection%s%s%s%s", p->n_read, p->n_read == 1 ? "" : "s", seconds,
             p->n_read / (seconds + 1e-9), p->n_detections, p->n_detections == 1 ? "" : "s", count_classes(p),
             *p->annotate_dir ? "; drawn in " : "", c->annotate);
    return true;
}

/* An image that cannot be read does not keep the others from their answer; it decides the exit code. */
bool cmd_predict(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct prediction *p = ARENA_NEW(j->arena, struct prediction, 1);
    const char *model;
    p->j = j;
    if (!model_place(j, c->arguments[0], &model, e))
        return false;
    p->annotate_dir = *c->annotate ? fs_normal(j->arena, config_path(c, j->arena, c->annotate)) : "";
    pictures_find(c, c->arguments + 1, c->n_arguments - 1, p->annotate_dir, j->arena, &p->pictures);
    int batch = p->pictures.n < PREDICT_BATCH ? p->pictures.n : PREDICT_BATCH;
    if (batch == 0)
        return fail(e, ERR_DATA, "predict: there is no image to look at");
    if (*p->annotate_dir && !pictures_place_copies(&p->pictures, p->annotate_dir, c->force, j->arena, e))
        return false;
    if (!stage_load(j, model, batch, &p->m, e))
        return false;
    p->n_per_class = ARENA_NEW(j->arena, long, (size_t)p->m.n_classes);
    for (int i = 0; i < batch; i++)
        p->answers[i].all = ARENA_NEW(j->arena, struct detection, (size_t)c->max_detections);
    bool ok = predict_all(p, e);
    stage_unload(&p->m);
    int n_failed = p->n_failed + p->pictures.n_missing;
    if (!ok || n_failed == 0)
        return ok;
    return fail(e, ERR_DATA, "predict: %d of %d could not be read; the others have their answers", n_failed,
                p->pictures.n + p->pictures.n_missing);
}
