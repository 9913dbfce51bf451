#include "fuzz.h"

#include <string.h>

#include "export/pickle.h"

/* Every text of the tree lies in the pickle, whatever its shape. */
static size_t visit(const struct pickle_node *n, int depth, size_t left)
{
    if (!n || depth > 20 || left == 0)
        return left;
    left--;
    unsigned sum = 0;
    for (size_t i = 0; i < n->text.n; i++)
        sum += (unsigned char)n->text.p[i];
    PROMISE(sum <= 255u * n->text.n && n->n <= n->cap && (n->kind != PICKLE_OBJECT || (n->callee && n->args)));
    for (size_t i = 0; i < n->n; i++) {
        PROMISE(n->items[i] != NULL);
        left = visit(n->items[i], depth + 1, left);
    }
    left = visit(n->callee, depth + 1, left);
    left = visit(n->args, depth + 1, left);
    return visit(n->state, depth + 1, left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct pickle_node *root = NULL;
    if (pickle_parse((struct str){(const char *)data, size}, "fuzz.pkl", &a, &root, &e)) {
        visit(root, 0, 10000);
        pickle_get(root, "model");
        pickle_attribute(root, "_modules");
        pickle_at(root, 0);
    } else {
        PROMISE(e.code == ERR_DATA && e.message[0] && str_is_utf8(str_of(e.message)));
    }
    arena_free(&a);
    return 0;
}
