/* Detections as JSON lines, one line per image:
 *   {"image":"a.jpg","width":640,"height":480,"detections":[
 *    {"class":"cat","class_id":0,"score":0.9,"box":[x1,y1,x2,y2]}]} */
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"
#include "image/draw.h"
#include "image/image.h"
#include "pipeline/show.h"
#include "pipeline/stages.h"

static void print_line(const char *name, const struct loaded *m, const struct detection *all, int n, int w, int h)
{
    struct json *root = json_new_object(), *list = json_new_array();
    json_set(root, "image", json_new_string(name));
    json_set(root, "width", json_new_int(w));
    json_set(root, "height", json_new_int(h));
    for (int i = 0; i < n; i++) {
        const struct detection *d = &all[i];
        struct json *one = json_new_object(), *box = json_new_array();
        const float sides[4] = {d->box.x1, d->box.y1, d->box.x2, d->box.y2};
        for (int k = 0; k < 4; k++)
            json_append(box, json_new_number((double)sides[k]));
        json_set(one, "class", json_new_string(m->class_names[d->class_id]));
        json_set(one, "class_id", json_new_int(d->class_id));
        json_set(one, "score", json_new_number((double)d->score));
        json_set(one, "box", box);
        json_append(list, one);
    }
    json_set(root, "detections", list);
    show_json_line(root);
    json_free(root);
}

/* Annotated copies keep the image's name; of two images with one name the second is refused, not written over. */
static bool annotate(struct job *j, const struct loaded *m, const char *path, const struct detection *all, int n,
                     struct error *e)
{
    struct image im = {0};
    const char *dir = config_path(j->config, j->arena, j->config->annotate);
    const char *to = fs_join(j->arena, dir, arena_printf(j->arena, "%s.jpg", fs_stem(j->arena, path)));
    if (fs_exists(to) && !j->config->force)
        return fail(e, ERR_CONFIG, "annotate: %s is there already: name another folder, or --force", to);
    if (!fs_mkdirs(dir, e) || !image_load(path, &im, e))
        return false;
    draw_detections(&im, all, n, m->class_names, m->n_classes);
    bool ok = image_save(to, &im, e);
    image_free(&im);
    return ok;
}

static bool predict_one(struct job *j, const struct loaded *m, const char *name, struct error *e)
{
    struct detection *all = NULL;
    int n = 0, w = 0, h = 0;
    const char *path = config_path(j->config, j->arena, name);
    if (!stage_predict(j, m, path, j->config->min_score, &all, &n, &w, &h, e))
        return false;
    print_line(name, m, all, n, w, h);
    return !*j->config->annotate || annotate(j, m, path, all, n, e);
}

/* An image that cannot be read does not keep the others from their answer; it decides the exit code. */
bool cmd_predict(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct loaded m = {0};
    if (!stage_load(j, config_path(c, j->arena, c->arguments[0]), &m, e))
        return false;
    int n_failed = 0;
    for (int i = 1; i < c->n_arguments && !stop_requested(); i++) {
        struct error one = {0};
        if (predict_one(j, &m, c->arguments[i], &one))
            continue;
        if (n_failed++ == 0)
            *e = one;
        else
            log_error("%s", one.message);
    }
    stage_unload(&m);
    return n_failed == 0;
}
