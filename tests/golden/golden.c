#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"

#define MAX_BYTES ((size_t)16 << 20)

void golden_open(struct golden *g, const char *file)
{
    struct error e = {0};
    struct str bytes;
    *g = (struct golden){0};
    char *path = arena_printf(&g->arena, "tests/golden/vectors/%s.safetensors", file);
    if (!fs_read_file(path, MAX_BYTES, &g->arena, &bytes, &e) || !safetensors_parse(bytes, path, &g->arena, &g->file, &e))
        fail_msg("%s", e.message);
}

void golden_close(struct golden *g)
{
    arena_free(&g->arena);
}

/* tensor_file_find would bring every other format into the double-precision build. */
static const struct file_tensor *find(const struct tensor_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return &f->tensors[i];
    return NULL;
}

const double *golden_get(struct golden *g, const char *name, size_t *n)
{
    const struct file_tensor *t = find(&g->file, name);
    *n = t ? t->n / 2 : 0;
    if (!t)
        return NULL;
    if (t->n_dims != 2 || t->dims[0] != 2)
        fail_msg("%s: not a stored pair of rows", name);
    double *out = ARENA_NEW(&g->arena, double, *n);
    for (size_t i = 0; i < *n; i++)
        out[i] = (double)t->data[i] + (double)t->data[*n + i];
    return out;
}

/* Written so that NaN fails. */
static void compare(struct golden *g, const char *name, const char *part, size_t i, double got, double want, double scale,
                    double eps_allowed)
{
    double eps = got == want ? 0 : fabs(got - want) / (scale * GOLDEN_EPS);
    if (!(eps <= eps_allowed))
        fail_msg("%s %s[%zu]: PyTorch %.17g, ours %.17g: %.3g eps of %.3g, allowed are %.3g", name, part, i, want, got, eps,
                 scale, eps_allowed);
    g->n_compared++;
    if (eps / eps_allowed > g->worst) {
        g->worst = eps / eps_allowed;
        g->worst_eps = eps;
        snprintf(g->worst_name, sizeof g->worst_name, "%s", name);
    }
}

static double largest(const double *x, size_t n)
{
    double top = 0;
    for (size_t i = 0; i < n; i++)
        top = fabs(x[i]) > top ? fabs(x[i]) : top;
    return top;
}

void golden_check(struct golden *g, const char *name, const real *x, size_t n, double eps_allowed)
{
    size_t n_want;
    double got[SEEDED_WHOLE];
    const double *want = golden_get(g, name, &n_want);
    size_t n_got = seeded_digest(name, x, n, got);
    if (n_got != n_want)
        fail_msg("%s: %zu stored values, %zu expected", name, n_want, n_got);
    if (n <= SEEDED_WHOLE) {
        for (size_t i = 0; i < n; i++)
            compare(g, name, "element", i, got[i], want[i], largest(want, n), eps_allowed);
        return;
    }
    double norm = want[0], top = want[1];
    compare(g, name, "norm", 0, got[0], norm, norm, eps_allowed);
    compare(g, name, "largest", 0, got[1], top, top, eps_allowed);
    for (size_t i = 2; i < n_want; i++)
        if (i < 2 + SEEDED_PROBES)
            compare(g, name, "probe", i - 2, got[i], want[i], norm, eps_allowed);
        else
            compare(g, name, "pick", i - 2 - SEEDED_PROBES, got[i], want[i], top, eps_allowed);
}

void golden_check_list(struct golden *g, const char *name, size_t first, const double *x, size_t n, double scale,
                       double eps_allowed)
{
    size_t n_want;
    const double *want = golden_get(g, name, &n_want);
    if (first + n > n_want)
        fail_msg("%s: %zu stored values, %zu expected", name, n_want, first + n);
    for (size_t i = 0; i < n; i++)
        compare(g, name, "value", first + i, x[i], want[first + i], fmax(fabs(want[first + i]), scale), eps_allowed);
}

size_t golden_plane(const struct tensor *t)
{
    return (size_t)t->h * (size_t)t->w;
}

void golden_check_tensor(struct golden *g, const char *name, const struct tensor *t, int batch, bool is_grad,
                         double eps_allowed)
{
    size_t image = golden_plane(t) * (size_t)t->c;
    real *x = mem_alloc(mem_mul(image * (size_t)batch, sizeof *x));
    for (int i = 0; i < batch; i++)
        (is_grad ? tensor_get_grad : tensor_get)(t, i, x + (size_t)i * image);
    golden_check(g, name, x, image * (size_t)batch, eps_allowed);
    mem_free(x);
}

static bool is_running(const struct param *q)
{
    return q->kind == PARAM_MEAN || q->kind == PARAM_VAR;
}

static void check_params(struct golden *g, const char *stem, const struct param_set *p, const real *block, bool trained,
                         bool running, double eps_allowed)
{
    for (int i = 0; i < p->n_items; i++) {
        const struct param *q = &p->items[i];
        char name[160];
        snprintf(name, sizeof name, "%s/%s", stem, q->name);
        if (is_running(q) ? running : trained)
            golden_check(g, name, block + q->offset, q->n, eps_allowed);
    }
}

void golden_check_grads(struct golden *g, const char *stem, const struct param_set *p, double eps_allowed)
{
    check_params(g, arena_printf(&g->arena, "%s/grad", stem), p, p->grad, true, false, eps_allowed);
}

void golden_check_running(struct golden *g, const char *stem, const struct param_set *p, double eps_allowed)
{
    check_params(g, arena_printf(&g->arena, "%s/running", stem), p, p->data, false, true, eps_allowed);
}

void golden_check_state(struct golden *g, const char *stem, const struct param_set *p, const real *block,
                        double eps_allowed)
{
    check_params(g, stem, p, block, true, true, eps_allowed);
}

void golden_report(struct golden *g, const char *what)
{
    if (g->n_compared == 0)
        fail_msg("%s: nothing was compared", what);
    print_message("# %s: %ld values, at most %.1e apart (%.3g eps, %.2g of what is allowed)%s%s\n", what, g->n_compared,
                  g->worst_eps * GOLDEN_EPS, g->worst_eps, g->worst, g->worst > 0 ? " at " : "", g->worst_name);
    g->n_compared = 0;
    g->worst = g->worst_eps = 0;
    g->worst_name[0] = 0;
}

struct golden_labels golden_labels(struct golden *g, const char *stem, int n)
{
    size_t n_values;
    const double *v = golden_get(g, arena_printf(&g->arena, "%s/labels", stem), &n_values);
    size_t rows = n_values / 6;
    struct golden_labels l = {.items = ARENA_NEW(&g->arena, struct label, rows),
                              .n_items = rows,
                              .of = ARENA_NEW(&g->arena, const struct label *, (size_t)n),
                              .n = ARENA_NEW(&g->arena, int, (size_t)n)};
    for (size_t i = 0; i < rows; i++, v += 6) {
        l.items[i] = (struct label){(int)v[1], (float)v[2], (float)v[3], (float)v[4], (float)v[5]};
        l.n[(int)v[0]]++;
    }
    for (int i = 0, at = 0; i < n; at += l.n[i++])
        l.of[i] = l.items + at;
    return l;
}

static void widen_boxes(struct model *m)
{
    for (int level = 0; level < SPEC_LEVELS; level++) {
        char name[64];
        snprintf(name, sizeof name, "model.22.cv2.%d.2.bias", level);
        const struct param *q = param_find(&m->params, name);
        for (size_t i = 0; i < q->n; i++)
            if (i % SPEC_REG_MAX < 4)
                m->params.data[q->offset + i] += 3;
    }
}

void golden_model(struct model *m, const char *stem, char scale, int classes, int size, bool for_training,
                  struct arena *a)
{
    struct error e = {0};
    struct spec spec;
    if (!spec_build(scale, classes, &spec, &e))
        fail_msg("%s", e.message);
    const char **names = ARENA_NEW(a, const char *, (size_t)classes);
    for (int i = 0; i < classes; i++)
        names[i] = "class";
    model_make(&spec, names, size, for_training, a, m);
    seeded_fill_params(stem, &m->params);
    widen_boxes(m);
    if (for_training)
        memcpy(m->params.ema, m->params.data, m->params.n_total * sizeof(real));
}

void golden_use_images(struct detector *d, const char *stem, int n, struct arena *a)
{
    size_t bytes = (size_t)d->h * (size_t)d->w * 3;
    uint8_t **images = ARENA_NEW(a, uint8_t *, (size_t)n);
    for (int i = 0; i < n; i++) {
        images[i] = ARENA_NEW(a, uint8_t, bytes);
        seeded_fill_pixels(arena_printf(a, "%s/image%d", stem, i), images[i], bytes);
    }
    net_use_images(&d->net, (const uint8_t *const *)images);
}

void golden_kernels(void **state, struct kernels *k)
{
    struct error e = {0};
    if (!kernels_select(*state, k, &e)) {
        print_message("# %s\n", e.message);
        skip();
    }
}
