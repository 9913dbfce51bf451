#include "nn/param.h"

#include <string.h>

const struct param *param_find(const struct param_set *p, const char *name)
{
    for (int i = 0; i < p->n_items; i++)
        if (!strcmp(p->items[i].name, name))
            return &p->items[i];
    return NULL;
}
