/* XML as a small tree, on expat (the only file that includes it is src/core/xml.c).
 * Limits: depth 32, 100 000 elements, text by the caller's ceiling; a DTD or entity declaration is refused.
 * Nodes live in the arena; attributes are dropped (neither S3 nor Pascal VOC needs them); names keep no prefix. */
#ifndef CORE_XML_H
#define CORE_XML_H

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

struct xml_node {
    const char *name;
    const char *text; /* the character data directly inside, trimmed; "" if none */
    unsigned line;
    struct xml_node *child, *next; /* first child, next sibling */
};

/* `what` names the text in errors ("a.xml:3: ..."). Errors: ERR_DATA. */
MUST_CHECK bool xml_parse(struct str text, const char *what, struct arena *a, struct xml_node **root, struct error *e);
const struct xml_node *xml_get(const struct xml_node *n, const char *child); /* first child of that name or NULL */
const struct xml_node *xml_next(const struct xml_node *n);                   /* next sibling of the same name or NULL */
const char *xml_text(const struct xml_node *n, const char *child, const char *otherwise);

#endif
