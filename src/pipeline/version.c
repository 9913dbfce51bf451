#include "pipeline/version.h"

#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "train/train.h"

void version_make(const struct config *c, const char *dataset_checksum, const char *initial_weights,
                  struct version *out)
{
    struct str_buf recipe = STR_BUF(64 << 10);
    uint8_t sum[SHA256_BYTES];
    config_recipe_text(c, initial_weights, TRAIN_ENGINE, &recipe);
    sha256_of(str_buf_text(&recipe), recipe.n, sum);
    str_buf_free(&recipe);
    hex_encode(sum, sizeof sum, out->recipe_checksum);
    snprintf(out->name, sizeof out->name, "%.12s-%.8s", dataset_checksum, out->recipe_checksum);
}

bool version_is_name(const char *text)
{
    return strlen(text) == 21 && text[12] == '-' && strspn(text, "0123456789abcdef") == 12 &&
           strspn(text + 13, "0123456789abcdef") == 8;
}
