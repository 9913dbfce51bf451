#include "detector/predict.h"

void predictor_open(struct predictor *p, struct model *m, const struct kernels *k, struct pool *pool, int batch,
                    struct arena *a)
{
    *p = (struct predictor){.batch = batch};
    detector_build(&p->d, &m->spec, &m->params, k, pool, m->image_size, m->image_size, batch, false, a);
    size_t anchors = mem_mul((size_t)batch, (size_t)p->d.n_anchors);
    p->boxes = ARENA_NEW(a, struct box, anchors);
    p->scores = ARENA_NEW(a, float, mem_mul(anchors, (size_t)m->spec.n_classes));
}

void predictor_close(struct predictor *p)
{
    detector_free(&p->d);
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

bool predictor_run(struct predictor *p, const real *weights, const uint8_t *const *images, int n,
                   const struct nms_options *o, struct detection *const *out, int *n_out)
{
    detector_load(&p->d, images, n);
    if (!net_forward(&p->d.net, weights, n))
        return false;
    pool_run(p->d.net.pool, n, item, &(struct job){p, o, out, n_out});
    return true;
}
