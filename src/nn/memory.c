/* Where a net's values and gradients lie: one block for both, since by the time that late gradients come, most values
 * have had their last reader.
 *
 * Time is counted in steps of a walk: operation i runs forward in step i, the loss in step n, operation i backward in
 * step 2n - i. */
#include "memory.h"

struct life { /* [first, last]; first > last = never */
    int first, last;
};

struct lodger {
    size_t n; /* elements */
    struct life life;
    size_t *offset;
};

static const int before_all = -1;

static int loss_step(const struct net *net)
{
    return net->n_ops;
}

static int backward_step(const struct net *net, int i)
{
    return 2 * net->n_ops - i;
}

static int after_all(const struct net *net)
{
    return 2 * net->n_ops + 1;
}

static void touch(struct life *l, int step)
{
    if (step < l->first)
        l->first = step;
    if (step > l->last)
        l->last = step;
}

static struct life *lives_new(const struct net *net)
{
    struct life *l = mem_alloc(mem_mul((size_t)net->n_buffers, sizeof *l));
    for (int b = 0; b < net->n_buffers; b++)
        l[b] = (struct life){after_all(net) + 1, before_all - 1};
    return l;
}

struct reading {
    const struct net *net;
    struct life *lives;
    int step;
};

static void touch_tensor(void *ctx, int t)
{
    struct reading *r = ctx;
    touch(&r->lives[r->net->tensor_buffer[t]], r->step);
}

static void add_backward_readers(const struct net *net, struct life *lives)
{
    for (int i = 0; i < net->n_ops; i++) {
        const struct op *op = &net->ops[i];
        if (op->kind == OP_CONV_BN_SILU)
            touch(&lives[net->tensor_buffer[op->z]], backward_step(net, i));
        if (op->kind == OP_CONV_BN_SILU || op->kind == OP_CONV_BIAS)
            restore_sources(net, op->in, i, touch_tensor, &(struct reading){net, lives, backward_step(net, i)});
    }
}

static struct life *lives_of_values(const struct net *net)
{
    struct life *lives = lives_new(net);
    for (int i = 0; i < net->n_ops; i++) {
        const struct op *op = &net->ops[i];
        touch(&lives[net->tensor_buffer[op->in]], i);
        touch(&lives[net->tensor_buffer[op->out]], i);
        touch(&lives[net->tensor_buffer[op->z]], i);
        if (op->residual >= 0)
            touch(&lives[net->tensor_buffer[op->residual]], i);
    }
    if (net->is_training)
        add_backward_readers(net, lives);
    for (int b = 0; b < net->n_buffers; b++) {
        if (net->buffers[b].is_output)
            touch(&lives[b], loss_step(net));
        if (net->buffers[b].is_source)
            touch(&lives[b], before_all);
        if (net->buffers[b].is_source && net->is_training) /* may be walked over again */
            touch(&lives[b], after_all(net));
    }
    return lives;
}

/* A gradient lives from its first writer to the operation that produced the value. */
static struct life *lives_of_gradients(const struct net *net)
{
    struct life *lives = lives_new(net);
    for (int i = 0; i < net->n_ops; i++) {
        const struct op *op = &net->ops[i];
        int step = backward_step(net, i);
        if (!net->buffers[net->tensor_buffer[op->in]].is_input)
            touch(&lives[net->tensor_buffer[op->in]], step);
        touch(&lives[net->tensor_buffer[op->out]], step);
        if (op->residual >= 0)
            touch(&lives[net->tensor_buffer[op->residual]], step);
    }
    for (int b = 0; b < net->n_buffers; b++) {
        if (net->buffers[b].is_output)
            touch(&lives[b], loss_step(net));
        if (net->buffers[b].is_source && !net->buffers[b].is_input)
            touch(&lives[b], after_all(net));
    }
    return lives;
}

static size_t buffer_elements(const struct net *net, int b)
{
    const struct net_buffer *x = &net->buffers[b];
    struct tensor t;
    size_t n = tensor_shape(&t, x->c, x->h, x->w, x->lanes) * (size_t)net->batch;
    return (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static void sort_largest_first(struct lodger *l, int n)
{
    for (int i = 1; i < n; i++) { /* insertion sort, stable */
        struct lodger moved = l[i];
        int j = i;
        for (; j > 0 && l[j - 1].n < moved.n; j--)
            l[j] = l[j - 1];
        l[j] = moved;
    }
}

static bool is_in_the_way(const struct lodger *there, const struct lodger *l, size_t at)
{
    return there->life.first <= l->life.last && l->life.first <= there->life.last &&
           at < *there->offset + there->n && *there->offset < at + l->n;
}

/* Largest first, each at the lowest offset where nothing that lives at the same time lies. Returns the total. */
static size_t place(struct lodger *l, int n)
{
    size_t total = 0;
    sort_largest_first(l, n);
    for (int i = 0; i < n; i++) {
        size_t at = 0;
        for (int j = 0; j < i; j++) /* begin again after each move */
            if (is_in_the_way(&l[j], &l[i], at)) {
                at = *l[j].offset + l[j].n;
                j = -1;
            }
        *l[i].offset = at;
        if (at + l[i].n > total)
            total = at + l[i].n;
    }
    return total;
}

void memory_plan(struct net *net)
{
    size_t n_buffers = (size_t)net->n_buffers;
    struct life *values = lives_of_values(net), *gradients = net->is_training ? lives_of_gradients(net) : lives_new(net);
    struct lodger *lodgers = mem_alloc(mem_mul(2 * n_buffers, sizeof *lodgers));
    int n = 0;
    for (int b = 0; b < net->n_buffers; b++) {
        struct net_buffer *x = &net->buffers[b];
        size_t size = buffer_elements(net, b);
        if (values[b].first <= values[b].last && !x->is_rgb)
            lodgers[n++] = (struct lodger){size, values[b], &x->data_offset};
        if (gradients[b].first <= gradients[b].last)
            lodgers[n++] = (struct lodger){size, gradients[b], &x->grad_offset};
    }
    net->n_data = place(lodgers, n);
    mem_free(lodgers);
    mem_free(gradients);
    mem_free(values);
}
