#include "train/rect.h"

#include <math.h>
#include <stdlib.h>

#include "core/arena.h"

#define STRIDE 32
#define PADDING 0.5 /* strides */

struct entry {
    const struct sample *sample;
    double aspect; /* height / width */
    int index;
};

static int by_aspect(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->aspect != b->aspect)
        return a->aspect < b->aspect ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static void sort(const struct sample **samples, int n)
{
    struct entry *e = mem_alloc(mem_mul((size_t)n + 1, sizeof *e));
    for (int i = 0; i < n; i++)
        e[i] = (struct entry){samples[i], (double)samples[i]->h / samples[i]->w, i};
    qsort(e, (size_t)n, sizeof *e, by_aspect);
    for (int i = 0; i < n; i++)
        samples[i] = e[i].sample;
    mem_free(e);
}

static int input_side(double share, int size)
{
    return (int)ceil(share * size / STRIDE + PADDING) * STRIDE;
}

/* All wider than high: the input is as high as the highest of them needs; all higher than wide: as wide as the widest. */
static void input_of_group(const struct sample *const *group, int n, int size, int *w, int *h)
{
    double least = (double)group[0]->h / group[0]->w, most = (double)group[n - 1]->h / group[n - 1]->w;
    *w = input_side(least > 1 ? 1 / least : 1, size);
    *h = input_side(most < 1 ? most : 1, size);
}

void rect_plan(const struct sample **samples, int n, int size, int group, struct letterbox *fits)
{
    sort(samples, n);
    for (int first = 0; first < n; first += group) {
        int w, h, m = n - first < group ? n - first : group;
        input_of_group(samples + first, m, size, &w, &h);
        for (int i = first; i < first + m; i++)
            fits[i] = letterbox_plan_loaded(samples[i]->w, samples[i]->h, size, w, h);
    }
}
