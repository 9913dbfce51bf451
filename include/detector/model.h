/* A detector's weights with everything needed to use them: architecture, class names, input size. */
#ifndef DETECTOR_MODEL_H
#define DETECTOR_MODEL_H

#include <stdint.h>

#include "core/arena.h"
#include "detector/spec.h"
#include "nn/param.h"

struct model {
    struct spec spec;
    struct param_set params;
    const char *const *class_names; /* [spec.n_classes] */
    int image_size;                 /* net input, square, multiple of 32 */
};

/* The parameter table in state_dict order and its blocks, zeroed; gradients, EMA and moments only for training. */
void model_make(const struct spec *spec, const char *const *class_names, int image_size, bool for_training,
                struct arena *a, struct model *out);

/* Fresh weights, a function of the seed alone: convolutions U(-b, b) with b = 1/sqrt(ci*k*k); BatchNorm 1, 0, mean 0,
 * variance 1; head biases 1 for boxes and ln(5/classes/(640/stride)^2) for classes. data and ema (if any) are set. */
void model_init(struct model *m, uint64_t seed);

#endif
