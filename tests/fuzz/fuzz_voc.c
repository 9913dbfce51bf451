#include "dataset_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan("images/a.xml", DATASET_VOC, data, size);
    return 0;
}
