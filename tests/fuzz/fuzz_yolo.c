#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "dataset/yolo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yolo_line l;
    char why[64] = ""; /* shorter than any message: a cut one must still end */
    if (!yolo_parse_line((struct str){(const char *)data, size}, &l, why, sizeof why)) {
        PROMISE(why[0] && memchr(why, 0, sizeof why));
        return 0;
    }
    PROMISE(isfinite(l.x1) && isfinite(l.y1) && isfinite(l.x2) && isfinite(l.y2));
    PROMISE(!l.is_polygon || (l.x1 <= l.x2 && l.y1 <= l.y2));
    return 0;
}
