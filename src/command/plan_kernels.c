/* `retrain plan --plan-kernels`: how each layer of the training network will be computed. */
#include <stdio.h>
#include <string.h>

#include "command/plan_kernels.h"
#include "detector/detector.h"
#include "detector/model.h"
#include "pipeline/stages.h"

#define NAME 40

static void print_convolution(const struct op *op, const struct net *net)
{
    const struct conv *c = &op->conv;
    const char *name = op->weight->name;
    int n = (int)(strlen(name) - strlen(".weight"));
    bool is_restored = net->buffers[net->tensor_buffer[op->in]].is_restored;
    printf("%-*.*s %dx%d/%d  %4d -> %-4d %4dx%-4d %-18s %3d x %d rows%s\n", NAME, n, name, c->k, c->k, c->stride, c->ci, c->co,
           c->oh, c->ow, c->is_winograd ? "Winograd F(4x4)" : "direct", c->n_chunks, c->chunk_rows,
           is_restored ? ", input computed again in backward" : "");
}

bool plan_kernels_print(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    struct arena a = {0};
    struct kernels k;
    struct spec spec;
    struct model m;
    struct detector d;
    if (!stage_kernels(j, &k, e) || !spec_build(c->model[0], j->dataset.n_classes, &spec, e))
        return false;
    model_make(&spec, NULL, c->image_size, false, &a, &m);
    detector_build(&d, &spec, &m.params, &k, j->pool, c->image_size, c->image_size);
    net_plan(&d.net, c->batch_size, true, NULL);
    printf("%s kernels%s, batch %d, %.0f MB for the training network\n%-*s kernel   channels    output    computed by       "
           "  an image in\n",
           k.name, !strcmp(k.name, "openblas") ? " (products by OpenBLAS)" : "", c->batch_size,
           (double)net_bytes(&d.net) / 1e6, NAME, "convolution");
    for (int i = 0; i < d.net.n_ops; i++)
        if (d.net.ops[i].kind == OP_CONV_BN_SILU || d.net.ops[i].kind == OP_CONV_BIAS)
            print_convolution(&d.net.ops[i], &d.net);
    detector_free(&d);
    arena_free(&a);
    return true;
}
