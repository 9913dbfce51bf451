#include "detector/predict.h"

static void plan(struct predictor *p, int h, int w)
{
    const struct spec *spec = &p->model->spec;
    detector_build(&p->d, spec, &p->model->params, p->kernels, p->pool, h, w);
    if (p->host)
        net_lodge_in(&p->d.net, p->host);
    net_plan(&p->d.net, p->batch, false, &p->memory);
    size_t anchors = mem_mul((size_t)p->batch, (size_t)p->d.n_anchors);
    p->boxes = ARENA_NEW(&p->memory, struct box, anchors);
    p->scores = ARENA_NEW(&p->memory, float, mem_mul(anchors, (size_t)spec->n_classes));
}

void predictor_open(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch)
{
    predictor_open_in(p, m, k, pool, batch, NULL);
}

void predictor_open_in(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch,
                       const struct net *host)
{
    *p = (struct predictor){.model = m, .kernels = k, .pool = pool, .batch = batch, .host = host};
    plan(p, m->image_size, m->image_size);
}

void predictor_reshape(struct predictor *p, int h, int w)
{
    if (p->d.h == h && p->d.w == w)
        return;
    detector_free(&p->d);
    arena_reset(&p->memory); /* two shapes never take memory at once, and the second finds its pages there */
    plan(p, h, w);
    p->is_packed = false;
}

void predictor_close(struct predictor *p)
{
    detector_free(&p->d);
    arena_free(&p->memory);
    *p = (struct predictor){0};
}

struct job {
    struct predictor *p;
    const struct nms_options *o;
    struct detection *const *out;
    int *n_out;
};

static void item(void *ctx, int image, int worker)
{
    (void)worker;
    struct job *j = ctx;
    struct detector *d = &j->p->d;
    size_t anchors = (size_t)d->n_anchors;
    struct box *boxes = j->p->boxes + (size_t)image * anchors;
    float *scores = j->p->scores + (size_t)image * anchors * (size_t)d->spec->n_classes;
    detector_decode(d, image, boxes, scores);
    j->n_out[image] = nms(j->o, boxes, scores, d->n_anchors, d->spec->n_classes, j->out[image]);
}

void predictor_use_weights(struct predictor *p, const real *weights)
{
    p->weights = weights;
    p->is_packed = false;
}

bool predictor_run(struct predictor *p, const uint8_t *const *images, int n,
                   const struct nms_options *o, struct detection *const *out, int *n_out)
{
    if (!p->is_packed)
        net_use_weights(&p->d.net, p->weights);
    p->is_packed = true;
    p->d.net.is_cancelled = p->is_cancelled;
    net_use_images(&p->d.net, images);
    if (!net_forward(&p->d.net, n))
        return false;
    pool_run(p->d.net.pool, n, item, &(struct job){p, o, out, n_out});
    return true;
}
