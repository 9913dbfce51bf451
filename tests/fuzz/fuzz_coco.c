#include "dataset_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan("annotations.json", DATASET_COCO, data, size);
    return 0;
}
