#include "fuzz.h"

#include <string.h>

#include "core/xml.h"

static void walk(const struct xml_node *n, int depth)
{
    PROMISE(depth <= 32);
    for (; n; n = n->next) {
        PROMISE(n->name && n->text && str_is_utf8(str_of(n->text)));
        PROMISE(!n->child || xml_get(n, n->child->name) == n->child);
        walk(n->child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct xml_node *root;
    if (xml_parse((struct str){(const char *)data, size}, "fuzz.xml", &a, &root, &e))
        walk(root, 1);
    else
        PROMISE(e.code == ERR_DATA && e.message[0] && str_is_utf8(str_of(e.message)));
    arena_free(&a);
    return 0;
}
