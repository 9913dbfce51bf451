#include "store/backend.h"

bool s3_open(const struct store_options *o, struct store **out, struct error *e)
{
    *out = NULL;
    return fail(e, ERR_CONFIG, "store: %.200s: S3 stores are not in this build yet", o->url);
}
