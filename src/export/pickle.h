/* Python's pickle format as data: a tree of generic nodes. Nothing is looked up, called or executed: a class or function
 * is a node with its name, an object one with what it was to be made from. Protocols 2 to 5, the opcodes that picklers
 * write; an opcode that is not known is an error, and so is text protocol 0 or 1.
 *
 * The graph may have cycles and shared nodes: a walk needs a limit of its own. */
#ifndef EXPORT_PICKLE_H
#define EXPORT_PICKLE_H

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

#define PICKLE_MAX_BYTES ((size_t)16 << 20) /* one with its optimizer has 0.2 MB */
#define PICKLE_MAX_NODES ((size_t)1 << 20) /* a checkpoint with its optimizer has some 30 000 */
#define PICKLE_MAX_STACK ((size_t)1 << 20)

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,   /* integer */
    PICKLE_INT,    /* integer */
    PICKLE_BIG,    /* an integer beyond 64 bits: text has its bytes, lowest first */
    PICKLE_FLOAT,  /* real */
    PICKLE_TEXT,   /* text, UTF-8 as the pickler says, not checked */
    PICKLE_BYTES,  /* text */
    PICKLE_TUPLE,  /* items */
    PICKLE_LIST,   /* items; sets too */
    PICKLE_DICT,   /* items: key, value, key, value, ... */
    PICKLE_GLOBAL, /* text: module, a blank, name */
    PICKLE_OBJECT, /* callee, args; state if one was set; items: pairs if any were set. What was appended is dropped. */
    PICKLE_STORED, /* args: the persistent id, which the file's owner knows to resolve */
};

struct pickle_node {
    enum pickle_kind kind;
    int64_t integer;
    double real;
    struct str text; /* into the pickle's bytes, but for GLOBAL: in the arena */
    struct pickle_node **items;
    size_t n, cap;
    struct pickle_node *callee, *args, *state;
};

/* ERR_DATA: damaged, cut off, unknown opcodes, over a limit. `what` names the file in errors. */
MUST_CHECK bool pickle_parse(struct str bytes, const char *what, struct arena *a, struct pickle_node **out, struct error *e);

/* All take NULL and nodes of any kind, and give NULL when there is nothing of that sort. */
struct pickle_node *pickle_at(const struct pickle_node *tuple_or_list, size_t i);
struct pickle_node *pickle_get(const struct pickle_node *dict, const char *key); /* of several, the last, as in Python */
struct pickle_node *pickle_attribute(const struct pickle_node *object, const char *name);
bool pickle_is(const struct pickle_node *n, enum pickle_kind kind);
bool pickle_is_global(const struct pickle_node *n, const char *module_and_name);

#endif
