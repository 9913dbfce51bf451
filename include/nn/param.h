/* All numbers of a model in one block per purpose, and the table that names them.
 *
 * Trainable parameters come first, BatchNorm's running statistics after them, so that the optimizer walks
 * [0, n_trainable) and the EMA and every file walk [0, n_total). Names and order are the state_dict names that the
 * field reads ("model.0.conv.weight"); 1-D and 4-D tensors, row-major [co,ci,kh,kw]. */
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include <stddef.h>

#include "core/arena.h"

#ifdef REAL_IS_DOUBLE /* the gradient checks build everything in double */
typedef double real;
#else
typedef float real;
#endif

enum param_kind {
    PARAM_WEIGHT,   /* convolution weight: decayed */
    PARAM_BIAS,     /* convolution or BatchNorm bias: no decay, its own warm-up */
    PARAM_BN_SCALE, /* BatchNorm weight: no decay */
    PARAM_MEAN,     /* running mean: not trained */
    PARAM_VAR,      /* running variance: not trained */
};

struct param {
    const char *name;
    enum param_kind kind;
    int n_dims;
    int dims[4];   /* unused ones are 1 */
    size_t offset; /* into the blocks below, in elements */
    size_t n;      /* product of dims */
};

struct param_set {
    struct param *items; /* in state_dict order */
    int n_items;
    size_t n_trainable, n_total;
    real *data; /* [n_total] the weights that train */
    real *grad; /* [n_trainable] NULL for inference */
    real *ema;  /* [n_total] exponential moving average: what is validated and published; NULL for inference */
    real *moment1, *moment2; /* [n_trainable] optimizer state; moment2 unused by SGD; NULL for inference */
};

/* NULL when there is none of that name. */
const struct param *param_find(const struct param_set *p, const char *name);

#endif
