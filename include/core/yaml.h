/* YAML documents as a tree with line numbers, on libyaml (the only file that includes it is src/core/yaml.c).
 * Limits: 10 MB of text, depth 32, one document, no anchors or aliases (refused by name: billion laughs),
 * duplicate keys are errors. Nodes live in the arena. */
#ifndef CORE_YAML_H
#define CORE_YAML_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line;        /* 1-based */
    bool is_quoted;       /* scalar written with quotes: a string whatever it looks like */
    const char *text;     /* scalar, NUL-terminated; "" for null and ~ when unquoted is left as written */
    size_t n;             /* children of a list or map */
    const char **keys;    /* map: n keys in written order */
    unsigned *key_lines;  /* map */
    struct yaml_node *at; /* list or map: n values */
};

/* `file` names the text in errors ("data.yaml:12: ..."). An empty document gives an empty map. Errors: ERR_CONFIG. */
MUST_CHECK bool yaml_parse(struct str text, const char *file, struct arena *a, struct yaml_node *out, struct error *e);
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL if absent or not a map */
bool yaml_is_null(const struct yaml_node *v);                                   /* absent, "", null, ~ */
bool yaml_to_bool(const char *text, bool *out); /* true True TRUE false False FALSE, nothing else */

#endif
