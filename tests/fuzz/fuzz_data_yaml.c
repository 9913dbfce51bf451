#include "dataset_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan("data.yaml", DATASET_YOLO, data, size);
    return 0;
}
