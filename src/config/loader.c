#include "config/loader.h"

bool loader_set(struct loader *l, const struct option *o, struct str value, const char *origin, const char *where,
                struct error *e)
{
    value = str_trim(value);
    if (!value.n)
        return true; /* empty counts as not given */
    if (!option_set(l->c, o, value, where, l->in->arena, e))
        return false;
    l->origins[o - option_table] = origin;
    return true;
}
