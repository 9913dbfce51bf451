#include "fuzz.h"

#include "image/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int orientation = exif_orientation((struct str){(const char *)data, size});
    PROMISE(orientation >= 1 && orientation <= 8);
    return 0;
}
