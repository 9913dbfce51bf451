/* Learning rate, warm-up and accumulation, as functions of the iteration. Formulas: docs/detector.md, recipe. */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

struct schedule {
    int epochs, batches_per_epoch;
    int batch_size, nominal_batch; /* gradients are accumulated up to the nominal batch */
    double lr, final_fraction;     /* linear from lr to lr * final_fraction */
    double momentum;
    int warmup_iterations;
    double warmup_bias_lr;
    double warmup_momentum; /* start value; = momentum for AdamW, whose beta1 is not warmed */
};

struct schedule_point {
    double lr, bias_lr, momentum;
    int accumulate; /* batches per optimizer step */
};

/* iteration counts batches from 0 over the whole training; epoch from 0. */
struct schedule_point schedule_at(const struct schedule *s, int epoch, long iteration);
/* max(round(warmup_epochs * batches), 100), never more than half of the training; 0 epochs = no warm-up. */
int schedule_warmup(double warmup_epochs, int batches_per_epoch, int epochs);

#endif
