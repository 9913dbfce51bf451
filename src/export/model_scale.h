/* Which scale the tensors of a file are of. */
#ifndef EXPORT_MODEL_SCALE_H
#define EXPORT_MODEL_SCALE_H

#include "export/tensor_file.h"

/* 'n', 's', 'm', 'l' or 'x' by the width of the first convolution, since checkpoints of others do not all name their scale;
 * '?' when it is none of these. */
char model_scale(const struct tensor_file *f);

#endif
