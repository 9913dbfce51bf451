/* Reading the tree that pickle.c made. */
#include "export/pickle.h"

bool pickle_is(const struct pickle_node *n, enum pickle_kind kind)
{
    return n && n->kind == kind;
}

bool pickle_is_global(const struct pickle_node *n, const char *module_and_name)
{
    return pickle_is(n, PICKLE_GLOBAL) && str_is(n->text, module_and_name);
}

struct pickle_node *pickle_at(const struct pickle_node *n, size_t i)
{
    return (pickle_is(n, PICKLE_TUPLE) || pickle_is(n, PICKLE_LIST)) && i < n->n ? n->items[i] : NULL;
}

struct pickle_node *pickle_get(const struct pickle_node *n, const char *key)
{
    if (!pickle_is(n, PICKLE_DICT) && !pickle_is(n, PICKLE_OBJECT))
        return NULL;
    for (size_t i = n->n; i >= 2; i -= 2)
        if (pickle_is(n->items[i - 2], PICKLE_TEXT) && str_is(n->items[i - 2]->text, key))
            return n->items[i - 1];
    return NULL;
}

/* A state is the object's dictionary, or a pair of it and what stands in slots. */
struct pickle_node *pickle_attribute(const struct pickle_node *n, const char *name)
{
    if (!pickle_is(n, PICKLE_OBJECT))
        return NULL;
    const struct pickle_node *state = pickle_is(n->state, PICKLE_TUPLE) ? pickle_at(n->state, 0) : n->state;
    return pickle_get(state, name);
}
