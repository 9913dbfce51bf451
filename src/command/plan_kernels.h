#ifndef COMMAND_PLAN_KERNELS_H
#define COMMAND_PLAN_KERNELS_H

#include "pipeline/job.h"

/* Lists on standard output how each convolution of the training network will be computed. The dataset was scanned. */
MUST_CHECK bool plan_kernels_print(struct job *j, struct error *e);

#endif
