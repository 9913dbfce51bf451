/* One kernel set: every kernel, compiled for the instruction set of the including file. */
#ifndef NN_KERNELS_SET_H
#define NN_KERNELS_SET_H

#include "nn/kernels/vec.h"
#include "nn/kernels/product.h"
#include "nn/kernels/winograd.h"
#include "nn/kernels/rows.h"
#include "nn/kernels/flat.h"

#define KERNEL_SET(set_name)                                                                                 \
    (struct kernels)                                                                                         \
    {                                                                                                        \
        .name = (set_name), .product = product, .outer = outer, .winograd_input = winograd_input,            \
        .winograd_output = winograd_output, .winograd_output_grad = winograd_output_grad,                    \
        .winograd_weight = winograd_weight, .winograd_weight_grad = winograd_weight_grad, .stats = stats,    \
        .bn_silu = bn_silu, .silu_grad = silu_grad, .bn_grad = bn_grad, .add_lanes = add_lanes,              \
        .sum_lanes = sum_lanes, .upsample = upsample, .upsample_grad = upsample_grad, .max_lanes = max_lanes, \
        .max_lanes_grad = max_lanes_grad, .add = add, .sum_squares = sum_squares, .sigmoid = sigmoid,         \
        .adamw = adamw, .sgd = sgd, .ema = ema,                                                               \
    }

#endif
