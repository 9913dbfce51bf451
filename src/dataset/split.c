#include <string.h>

#include "core/hash.h"
#include "dataset/dataset.h"

enum dataset_part dataset_split(const char *stem, float val_fraction)
{
    uint8_t sum[SHA256_BYTES];
    uint64_t place = 0;
    sha256_of(stem, strlen(stem), sum);
    for (int i = 0; i < 8; i++)
        place = place << 8 | sum[i];
    return (double)place / 18446744073709551616.0 < (double)val_fraction ? PART_VAL : PART_TRAIN;
}
