#include "fuzz.h"

#include <string.h>

#include "core/yaml.h"

static size_t count(const struct yaml_node *v, int depth)
{
    size_t n = strlen(v->text) + 1;
    PROMISE(depth <= 32);
    PROMISE(v->kind != YAML_SCALAR || v->n == 0);
    for (size_t i = 0; i < v->n; i++) {
        if (v->kind == YAML_MAP)
            PROMISE(yaml_get(v, v->keys[i]) == &v->at[i]); /* no key twice */
        n += count(&v->at[i], depth + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct yaml_node root;
    if (yaml_parse((struct str){(const char *)data, size}, "fuzz.yaml", &a, &root, &e))
        count(&root, 0);
    else
        PROMISE(e.code == ERR_CONFIG && e.message[0] && str_is_utf8(str_of(e.message)));
    arena_free(&a);
    return 0;
}
