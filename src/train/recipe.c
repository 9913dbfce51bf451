#include "train/recipe.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct recipe recipes[] = {
    /* A few hundred photos make a few thousand updates. So a step after every batch, and an average whose memory grows to
     * some fifty updates by the end, however few there are; with the reference's ramp it would be three. */
    {.name = "small-data", .ema_decay = 0.9999, .ema_ramp = 2000, .ema_ramp_share = 0.25},
    {.name = "reference", .nominal_batch = 64, .least_side = 16, .ema_decay = 0.9999, .ema_ramp = 2000, .ema_ramp_share = 1e9},
};

const struct recipe *recipe_find(const char *name)
{
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        if (!strcmp(recipes[i].name, name))
            return &recipes[i];
    return NULL;
}

double recipe_ema_keep(const struct recipe *r, long update, double all_updates)
{
    double ramp = fmin(r->ema_ramp, r->ema_ramp_share * all_updates);
    return r->ema_decay * (1 - exp(-(double)update / ramp));
}
