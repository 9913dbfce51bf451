#include "detector/loss.h"

#include <math.h>
#include <string.h>

struct image_sums {
    double box, cls, dfl, score;
};

struct loss {
    struct detector *d;
    struct assigner **assigners; /* [workers] */
    int n_workers;
    struct target *targets; /* [batch][n_anchors] */
    int *n_targets;         /* [batch] */
    struct image_sums *sums;
    /* of the running call */
    const struct label *const *labels;
    const int *n_labels;
    double norm;  /* S */
    double scale; /* B / S */
};

struct loss *loss_open(struct detector *d, struct arena *a)
{
    struct loss *l = ARENA_NEW(a, struct loss, 1);
    size_t batch = (size_t)d->net.batch;
    l->d = d;
    l->n_workers = d->net.pool ? pool_size(d->net.pool) : 1;
    l->assigners = ARENA_NEW(a, struct assigner *, (size_t)l->n_workers);
    for (int i = 0; i < l->n_workers; i++)
        l->assigners[i] = assigner_open(d->n_anchors);
    l->targets = ARENA_NEW(a, struct target, mem_mul(batch, (size_t)d->n_anchors));
    l->n_targets = ARENA_NEW(a, int, batch);
    l->sums = ARENA_NEW(a, struct image_sums, batch);
    return l;
}

void loss_close(struct loss *l)
{
    for (int i = 0; l && i < l->n_workers; i++)
        assigner_close(l->assigners[i]);
}

void loss_widen(struct loss *l, real least_side)
{
    for (int i = 0; i < l->n_workers; i++)
        assigner_widen(l->assigners[i], least_side);
}

static struct target *targets_of(const struct loss *l, int image)
{
    return l->targets + (size_t)image * (size_t)l->d->n_anchors;
}

static void assign_item(void *ctx, int image, int worker)
{
    struct loss *l = ctx;
    struct target *t = targets_of(l, image);
    int n = assign_image(l->assigners[worker], l->d, image, l->labels[image], l->n_labels[image], t);
    double score = 0;
    for (int i = 0; i < n; i++)
        score += (double)t[i].score;
    l->n_targets[image] = n;
    l->sums[image].score = score;
}

void loss_assign(struct loss *l, const struct label *const *labels, const int *n_labels, int n)
{
    l->labels = labels;
    l->n_labels = n_labels;
    pool_run(l->d->net.pool, n, assign_item, l);
    double total = 0;
    for (int i = 0; i < n; i++)
        total += l->sums[i].score;
    l->norm = total > 1 ? total : 1;
}

/* BCE of every logit against target 0, gradient sigmoid/S; the targets' own terms are mended afterwards. */
static double class_background(struct loss *l, int image, int level)
{
    const struct tensor *t = &l->d->net.tensors[l->d->cls[level]];
    struct view logits = tensor_data(t, image), grads = tensor_grad(t, image);
    real gain = (real)(LOSS_CLS_GAIN * l->scale);
    double total = 0;
    for (int b = 0; b < t->blocks; b++)
        for (int cell = 0; cell < t->h * t->w; cell++) {
            const real *logit = view_at(&logits, b, cell / t->w, cell % t->w);
            real *grad = view_at(&grads, b, cell / t->w, cell % t->w);
            int n = t->c - b * LANES < LANES ? t->c - b * LANES : LANES;
            for (int i = 0; i < n; i++) {
                double x = (double)logit[i], e = exp(-fabs(x));
                total += (x > 0 ? x : 0) + log1p(e);
                grad[i] = gain * (real)(x >= 0 ? 1 / (1 + e) : e / (1 + e));
            }
            for (int i = n; i < LANES; i++) /* the channels that pad the block */
                grad[i] = 0;
        }
    return total;
}

static double class_target(struct loss *l, int image, const struct target *t, const struct anchor *at)
{
    const struct tensor *cls = &l->d->net.tensors[l->d->cls[at->level]];
    struct view logits = tensor_data(cls, image), grads = tensor_grad(cls, image);
    int y = at->cell / cls->w, x = at->cell % cls->w;
    *view_channel(&grads, t->class_id, y, x) -= (real)(LOSS_CLS_GAIN * l->scale) * t->score;
    return -(double)*view_channel(&logits, t->class_id, y, x) * (double)t->score;
}

/* A probability that underflowed to 0 is a very large loss, not an infinite one; its gradient is exact all the same. */
static double safe_log(real p)
{
    return log((double)p < 1e-38 ? 1e-38 : (double)p);
}

static real clamp_distance(real v)
{
    return v < 0 ? 0 : v > (real)LOSS_MAX_DISTANCE ? (real)LOSS_MAX_DISTANCE : v;
}

/* Box and distribution losses of one target; adds to the 64 gradients of its anchor (which were zeroed). */
static void box_target(struct loss *l, int image, const struct target *t, const struct anchor *at,
                       struct image_sums *sums)
{
    const struct tensor *box = &l->d->net.tensors[l->d->box[at->level]];
    struct view grads = tensor_grad(box, image);
    real prob[4 * SPEC_REG_MAX], s[4], d_box[4], unit = 1 / (real)at->stride;
    detector_distances(l->d, image, at, s, prob);
    struct ciou_box pred = {at->x - s[0], at->y - s[1], at->x + s[2], at->y + s[3]};
    struct ciou_box truth = {t->box.x1 * unit, t->box.y1 * unit, t->box.x2 * unit, t->box.y2 * unit};
    sums->box += (double)t->score * (1 - (double)ciou_grad(&pred, &truth, t->alpha, d_box));

    real goal[4] = {clamp_distance(at->x - truth.x1), clamp_distance(at->y - truth.y1),
                    clamp_distance(truth.x2 - at->x), clamp_distance(truth.y2 - at->y)};
    real box_gain = (real)(LOSS_BOX_GAIN * l->scale) * t->score,
         dfl_gain = (real)(LOSS_DFL_GAIN * l->scale / 4) * t->score;
    for (int side = 0; side < 4; side++) {
        /* pred moves by -distance on the near sides, +distance on the far ones; the loss falls as CIoU rises. */
        real d_distance = side < 2 ? box_gain * d_box[side] : -box_gain * d_box[side];
        const real *p = prob + side * SPEC_REG_MAX;
        real *grad = view_at(&grads, side, at->cell / box->w, at->cell % box->w);
        int low = (int)goal[side];
        real weight_high = goal[side] - (real)low, weight_low = 1 - weight_high;
        sums->dfl -=
            (double)t->score / 4 * ((double)weight_low * safe_log(p[low]) + (double)weight_high * safe_log(p[low + 1]));
        for (int j = 0; j < SPEC_REG_MAX; j++) {
            real want = j == low ? weight_low : j == low + 1 ? weight_high : 0;
            grad[j] = d_distance * p[j] * ((real)j - s[side]) + dfl_gain * (p[j] - want);
        }
    }
}

static void gradient_item(void *ctx, int image, int worker)
{
    (void)worker;
    struct loss *l = ctx;
    struct image_sums *sums = &l->sums[image];
    *sums = (struct image_sums){.score = sums->score};
    for (int level = 0; level < SPEC_LEVELS; level++) {
        const struct tensor *box = &l->d->net.tensors[l->d->box[level]];
        struct view grads = tensor_grad(box, image);
        for (int side = 0; side < 4; side++)
            for (int y = 0; y < box->h; y++)
                memset(view_at(&grads, side, y, 0), 0, (size_t)(box->w * LANES) * sizeof(real));
        sums->cls += class_background(l, image, level);
    }
    const struct target *t = targets_of(l, image);
    for (int i = 0; i < l->n_targets[image]; i++) {
        struct anchor at = detector_anchor(l->d, t[i].anchor);
        sums->cls += class_target(l, image, &t[i], &at);
        box_target(l, image, &t[i], &at, sums);
    }
}

void loss_gradients(struct loss *l, int n, struct loss_result *out)
{
    l->scale = (double)n / l->norm;
    pool_run(l->d->net.pool, n, gradient_item, l);
    *out = (struct loss_result){0};
    for (int i = 0; i < n; i++) {
        out->box += l->sums[i].box;
        out->cls += l->sums[i].cls;
        out->dfl += l->sums[i].dfl;
        out->n_targets += l->n_targets[i];
    }
    out->box *= LOSS_BOX_GAIN / l->norm;
    out->cls *= LOSS_CLS_GAIN / l->norm;
    out->dfl *= LOSS_DFL_GAIN / l->norm;
    out->total = (out->box + out->cls + out->dfl) * n;
}
