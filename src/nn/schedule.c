#include "nn/schedule.h"

#include <math.h>

int schedule_warmup(double warmup_epochs, int batches_per_epoch, int epochs)
{
    if (warmup_epochs <= 0)
        return 0;
    double n = round(warmup_epochs * batches_per_epoch), half = floor((double)batches_per_epoch * epochs / 2);
    n = n < 100 ? 100 : n;
    return (int)(n > half ? half : n);
}

static double between(double from, double to, double fraction)
{
    return from + (to - from) * fraction;
}

/* rint: halves go to the even number, as in NumPy and so in the reference recipe. */
struct schedule_point schedule_at(const struct schedule *s, int epoch, long iteration)
{
    double factor = (1 - (double)epoch / s->epochs) * (1 - s->final_fraction) + s->final_fraction;
    double accumulate = rint((double)s->nominal_batch / s->batch_size);
    struct schedule_point p = {.lr = s->lr * factor, .bias_lr = s->lr * factor, .momentum = s->momentum};
    if (iteration < s->warmup_iterations) {
        double f = (double)iteration / s->warmup_iterations;
        accumulate = rint(between(1, (double)s->nominal_batch / s->batch_size, f));
        p.bias_lr = between(s->warmup_bias_lr, p.lr, f);
        p.lr = between(0, p.lr, f);
        p.momentum = between(s->warmup_momentum, s->momentum, f);
    }
    p.accumulate = accumulate < 1 ? 1 : (int)accumulate;
    return p;
}
