#include "fuzz.h"

#include <string.h>

#include "image/image.h"

/* Pixels that one input may decode to; more says nothing new and takes long. */
#define MOST_PIXELS (1 << 20)

/* Probe, verify and decode agree on the size; every failure is a message about the data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct error e = {0};
    struct image im = {0};
    int w = 0, h = 0, vw = 0, vh = 0;
    bool is_probed = image_probe(bytes, "fuzz.jpg", &w, &h, &e);
    PROMISE(is_probed || (e.code == ERR_DATA && strstr(e.message, "fuzz.jpg")));
    bool is_whole = image_verify(bytes, "fuzz.jpg", &vw, &vh, &e);
    PROMISE(!is_whole || (is_probed && vw == w && vh == h));
    if (is_probed && (int64_t)w * h > MOST_PIXELS)
        return 0;
    bool ok = image_decode(bytes, "fuzz.jpg", &im, &e);
    PROMISE(!ok || (is_whole && im.w == w && im.h == h));
    PROMISE(ok || (e.code == ERR_DATA && !im.px));
    unsigned sum = 0;
    for (size_t i = 0; ok && i < (size_t)w * h * 3; i++)
        sum += im.px[i]; /* every byte is there */
    PROMISE(sum <= 255u * 3 * MOST_PIXELS);
    image_free(&im);
    return 0;
}
