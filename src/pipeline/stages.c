/* Configuration into the engine's terms, and the engine's results into the pipeline's. */
#include "pipeline/stages.h"

#include <math.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"
#include "detector/predict.h"
#include "export/model_file.h"
#include "export/onnx.h"
#include "image/letterbox.h"
#include "pipeline/resume.h"
#include "train/evaluate.h"
#include "train/train.h"

#define REPORT_PHOTOS 8
#define MOST_CANDIDATES 30000
#define FOLDING_ERROR 1e-4f /* of a score; a trained model of scale n showed at most 5e-7 on 40 photos */

static const struct predict_options FOR_REPORT = {.confidence = 0.25, .iou = 0.7, .max_detections = 300};

struct train_options stage_options(const struct job *j)
{
    const struct config *c = j->config;
    const struct config_augment *g = &c->augment;
    return (struct train_options){
        .recipe = recipe_find(c->recipe),
        .epochs = c->epochs,
        .batch_size = c->batch_size,
        .image_size = c->image_size,
        .seed = (uint64_t)c->seed,
        .optimizer_auto = !strcmp(c->optimizer, "auto"),
        .optimizer = !strcmp(c->optimizer, "sgd") ? OPTIMIZER_SGD : OPTIMIZER_ADAMW,
        .learning_rate = c->learning_rate,
        .final_lr_fraction = c->final_lr_fraction,
        .weight_decay = c->weight_decay,
        .momentum = c->momentum,
        .warmup_epochs = c->warmup_epochs,
        .close_mosaic = (int)g->close_mosaic,
        .patience = c->patience,
        .augment = {.mosaic = (float)g->mosaic,
                    .fliplr = (float)g->fliplr,
                    .flipud = (float)g->flipud,
                    .hsv_h = (float)g->hsv_h,
                    .hsv_s = (float)g->hsv_s,
                    .hsv_v = (float)g->hsv_v,
                    .translate = (float)g->translate,
                    .scale = (float)g->scale,
                    .degrees = (float)g->degrees,
                    .shear = (float)g->shear},
        .checkpoint_seconds = c->checkpoint_every,
        .checkpoint_path = j->checkpoint_path,
        .identity = j->version.name,
        .cache_bytes = j->cache_bytes,
    };
}

bool stage_kernels(const struct job *j, struct kernels *k, struct error *e)
{
    if (!kernels_select(j->config->kernels, k, e))
        return false;
    k->is_direct = !strcmp(j->config->convolution, "direct");
    return true;
}

static bool prepare_model(struct job *j, struct model *m, struct error *e)
{
    const struct config *c = j->config;
    struct spec spec;
    if (!spec_build(c->model[0], j->dataset.n_classes, &spec, e))
        return false;
    model_make(&spec, (const char *const *)j->dataset.classes, c->image_size, true, j->arena, m);
    model_init(m, (uint64_t)c->seed);
    if (!j->weights.path)
        return true;
    if (!transfer_weights(j->weights.path, m, j->arena, &j->weights.transfer, e))
        return fail_in(e, "initial-weights");
    log_info("initial weights: %s", transfer_text(&j->weights.transfer, m, j->arena));
    return true;
}

bool stage_train(struct job *j, struct trained *out, struct error *e)
{
    struct kernels *k = ARENA_NEW(j->arena, struct kernels, 1);
    struct model *m = ARENA_NEW(j->arena, struct model, 1);
    if (!stage_kernels(j, k, e) || !prepare_model(j, m, e))
        return false;
    struct train_options o = stage_options(j);
    o.budget = &j->budget;
    o.hooks = resume_hooks(j);
    struct train_result r;
    if (!train_run(&o, &j->dataset, m, k, j->pool, j->arena, &r, e))
        return false;
    j->n_jobs = r.jobs;   /* the checkpoint knows best, also where no store kept it */
    if (r.best_epoch > 0) /* from here on the model is what will be published */
        memcpy(m->params.data, r.best_weights, m->params.n_total * sizeof(real));
    *out = (struct trained){
        .model = m,
        .engine_kernels = k,
        .rows = r.rows,
        .n_rows = r.n_rows,
        .best_epoch = r.best_epoch,
        .best = r.best[MAP_RULE_STRICT],
        .last = r.last,
        .best_classic = r.best[MAP_RULE_CLASSIC],
        .best_coco = r.best[MAP_RULE_COCO],
        .best_square = r.best_square,
        .seconds = r.seconds,
        .images_per_second = (double)r.images_per_second,
        .epochs = r.epochs,
        .jobs_left = r.jobs_left,
        .kernels = k->name,
        .is_unfinished = r.end == TRAIN_STOPPED || r.end == TRAIN_DEADLINE,
    };
    return true;
}

/* Training ended by measuring exactly the weights that it handed out; here the figures are told apart. */
bool stage_evaluate(struct job *j, struct trained *t, struct error *e)
{
    if (t->best_epoch == 0)
        return fail(e, ERR_INTERNAL, "training ended before its first epoch was measured");
    log_info(
        "best epoch %d: mAP50 %.4f, mAP50-95 %.4f; last epoch %d: mAP50 %.4f, mAP50-95 %.4f; the best is what counts",
        t->best_epoch, t->best.map50, t->best.map50_95, t->n_rows, t->last.map50, t->last.map50_95);
    log_info("the same by the classic rule of YOLOv8 8.3: mAP50 %.4f, mAP50-95 %.4f; on square input, as model.onnx takes it: "
             "mAP50 %.4f, mAP50-95 %.4f",
             t->best_classic.map50, t->best_classic.map50_95, t->best_square.map50, t->best_square.map50_95);
    (void)j;
    return true;
}

bool stage_export(struct job *j, const struct trained *t, const char *dir, bool with_weights, struct artifact *artifacts,
                  size_t *n, struct error *e)
{
    const struct model *m = t->model;
    if (j->config->want_onnx) {
        const char *path = fs_join(j->arena, dir, "model.onnx");
        struct onnx_options o = {.image_size = m->image_size,
                                 .dynamic_batch = j->config->onnx_dynamic_batch,
                                 .class_names = m->class_names,
                                 .version = j->version.name,
                                 .dataset_checksum = j->manifest.checksum,
                                 .date = ""}; /* the manifest says when; without it the same model is the same file */
        if (!onnx_write(path, &m->spec, &m->params, m->params.data, &o, e))
            return fail_in(e, "export");
        artifacts[(*n)++] =
            (struct artifact){.name = "model.onnx", .path = path, .content_type = "application/octet-stream"};
    }
    if (j->config->want_safetensors || with_weights) {
        const char *path = fs_join(j->arena, dir, "model.safetensors");
        struct model_file_info info = {j->version.name, j->manifest.checksum};
        if (!model_save(path, m, m->params.data, &info, e))
            return fail_in(e, "export");
        artifacts[(*n)++] =
            (struct artifact){.name = "model.safetensors", .path = path, .content_type = "application/octet-stream"};
    }
    return true;
}

void stage_free(struct trained *t)
{
    *t = (struct trained){0}; /* everything is the run's arena's */
}

/* ---- using a model ------------------------------------------------------------------------------------------------ */

/* Images being fitted into the net's input: decoding is most of the work, so each worker takes one. */
struct fitting {
    const char *const *paths;
    int net_w, net_h;
    struct image *net;
    struct letterbox *fit;
    struct answer *out;
};

static void fit_item(void *ctx, int i, int worker)
{
    (void)worker;
    struct fitting *f = ctx;
    struct image im = {0};
    f->out[i] = (struct answer){.all = f->out[i].all};
    if (!image_load(f->paths[i], &im, &f->out[i].error))
        return;
    f->fit[i] = letterbox_plan(im.w, im.h, f->net_w, f->net_h, true);
    letterbox_apply(&f->fit[i], &im, &f->net[i]);
    f->out[i].w = im.w;
    f->out[i].h = im.h;
    image_free(&im);
}

/* n is at most the predictor's batch. Images that cannot be read take no place in it. */
static bool find_in_files(struct predictor *p, const char *const *paths, int n, const struct predict_options *o,
                          struct answer *out)
{
    struct arena work = {0};
    struct fitting f = {.paths = paths, .net_w = p->d.w, .net_h = p->d.h, .out = out};
    f.net = ARENA_NEW(&work, struct image, (size_t)n);
    f.fit = ARENA_NEW(&work, struct letterbox, (size_t)n);
    pool_run(p->d.net.pool, n, fit_item, &f);

    const uint8_t **pixels = ARENA_NEW(&work, const uint8_t *, (size_t)n);
    struct detection **found = ARENA_NEW(&work, struct detection *, (size_t)n);
    int *n_found = ARENA_NEW(&work, int, (size_t)n), *item = ARENA_NEW(&work, int, (size_t)n), n_readable = 0;
    for (int i = 0; i < n; i++) {
        if (!f.net[i].px)
            continue;
        pixels[n_readable] = f.net[i].px;
        found[n_readable] = out[i].all;
        item[n_readable++] = i;
    }
    struct nms_options nms = {.min_score = (float)o->confidence,
                              .max_iou = (float)o->iou,
                              .max_candidates = MOST_CANDIDATES,
                              .max_detections = o->max_detections};
    bool ok = !n_readable || predictor_run(p, pixels, n_readable, &nms, found, n_found);
    for (int k = 0; k < n_readable && ok; k++) {
        struct answer *answer = &out[item[k]];
        answer->n = n_found[k];
        for (int i = 0; i < answer->n; i++)
            answer->all[i].box = letterbox_to_image(&f.fit[item[k]], answer->all[i].box);
    }
    for (int i = 0; i < n; i++)
        image_free(&f.net[i]);
    arena_free(&work);
    return ok;
}

bool stage_photos(struct job *j, const struct trained *t, struct report_photo **out, int *n, struct error *e)
{
    struct predictor p;
    const struct dataset *d = &j->dataset;
    *out = ARENA_NEW(j->arena, struct report_photo, REPORT_PHOTOS);
    *n = 0;
    if (!t || !t->model || d->n_val == 0)
        return true;
    predictor_open(&p, t->model, t->engine_kernels, j->pool, 1);
    predictor_use_weights(&p, t->model->params.data);
    int every = d->n_val / REPORT_PHOTOS > 0 ? d->n_val / REPORT_PHOTOS : 1, seen = 0;
    bool ok = true;
    for (int i = 0; ok && i < d->n_samples && *n < REPORT_PHOTOS; i++) {
        const struct sample *s = &d->samples[i];
        if (s->part != PART_VAL || seen++ % every != 0)
            continue;
        struct answer answer = {.all = ARENA_NEW(j->arena, struct detection, (size_t)FOR_REPORT.max_detections)};
        ok = find_in_files(&p, &s->path, 1, &FOR_REPORT, &answer) && answer.error.code == ERR_NONE;
        if (ok)
            (*out)[(*n)++] = (struct report_photo){s->path, s->name, answer.all, answer.n, s->labels, s->n_labels};
        else
            *e = answer.error;
    }
    predictor_close(&p);
    return ok;
}

bool stage_load(struct job *j, const char *path, int batch, struct loaded *out, struct error *e)
{
    struct kernels *k = ARENA_NEW(j->arena, struct kernels, 1);
    *out = (struct loaded){.model = ARENA_NEW(j->arena, struct model, 1)};
    if (!stage_kernels(j, k, e) || !model_load(path, j->arena, out->model, e))
        return false;
    out->class_names = out->model->class_names;
    out->n_classes = out->model->spec.n_classes;
    out->image_size = out->model->image_size;
    out->predictor = ARENA_NEW(j->arena, struct predictor, 1);
    predictor_open(out->predictor, out->model, k, j->pool, batch ? batch : evaluate_batch(out->image_size));
    predictor_use_weights(out->predictor, out->model->params.data);
    return true;
}

bool stage_predict(const struct loaded *m, const char *const *paths, int n, const struct predict_options *o,
                   struct answer *out, struct error *e)
{
    m->predictor->is_cancelled = stop_requested;
    return find_in_files(m->predictor, paths, n, o, out) || fail(e, ERR_STOPPED, "predict: stopped by a signal");
}

static bool same_boxes(const struct answer *a, const struct answer *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) {
        const struct detection *x = &a->all[i], *y = &b->all[i];
        same = !memcmp(&x->box, &y->box, sizeof x->box) && x->score == y->score && x->class_id == y->class_id;
    }
    return same;
}

bool stage_agrees(struct job *j, const struct trained *t, const struct loaded *m, bool is_folded, const char *photo,
                  bool *agrees, int *n, struct error *e)
{
    const struct predict_options o = {.confidence = 0, .iou = 0.7, .max_detections = 100}; /* a young model is not sure of any */
    struct answer ours = {.all = ARENA_NEW(j->arena, struct detection, (size_t)o.max_detections)};
    struct answer theirs = {.all = ARENA_NEW(j->arena, struct detection, (size_t)o.max_detections)};
    struct predictor p;
    predictor_open(&p, t->model, t->engine_kernels, j->pool, 1);
    predictor_use_weights(&p, t->model->params.data);
    bool ok = find_in_files(&p, &photo, 1, &o, &ours) && stage_predict(m, &photo, 1, &o, &theirs, e);
    predictor_close(&p);
    if (!ok)
        return false;
    if (ours.error.code != ERR_NONE) {
        *e = ours.error;
        return false;
    }
    *n = theirs.n;
    const struct param_set *a = &t->model->params, *b = &m->model->params;
    bool same_weights = a->n_total == b->n_total && !memcmp(a->data, b->data, a->n_total * sizeof *a->data);
    *agrees = ours.n > 0 && theirs.n > 0 && fabsf(ours.all[0].score - theirs.all[0].score) <= FOLDING_ERROR &&
              (is_folded || (same_weights && same_boxes(&ours, &theirs)));
    return true;
}

void stage_unload(struct loaded *m)
{
    if (m->predictor)
        predictor_close(m->predictor);
    *m = (struct loaded){0};
}
