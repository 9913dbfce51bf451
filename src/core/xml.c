#include "core/xml.h"
#include "core/wipe.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

#define DEPTH_MOST 32
#define ELEMENTS_MOST 100000

struct open_element {
    struct xml_node *node, *last_child;
    struct str_buf text;
};

struct build {
    XML_Parser parser;
    struct arena *a;
    const char *what;
    struct xml_node *root;
    struct open_element open[DEPTH_MOST];
    size_t depth, n_elements, text_ceiling;
    bool is_refused;
    struct error *e;
};

static unsigned line_of(const struct build *b)
{
    return (unsigned)XML_GetCurrentLineNumber(b->parser);
}

static void refuse(struct build *b, const char *why)
{
    if (!b->is_refused)
        fail(b->e, ERR_DATA, "%s:%u: %s", b->what, line_of(b), why);
    b->is_refused = true;
    XML_StopParser(b->parser, XML_FALSE);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct build *b = ctx;
    (void)attributes;
    if (b->is_refused)
        return;
    if (b->depth == DEPTH_MOST) {
        refuse(b, "elements nest deeper than 32");
        return;
    }
    if (b->n_elements++ == ELEMENTS_MOST) {
        refuse(b, "more than 100000 elements");
        return;
    }
    const char *colon = strrchr(name, ':');
    struct xml_node *node = ARENA_NEW(b->a, struct xml_node, 1);
    *node = (struct xml_node){.name = arena_strdup(b->a, colon ? colon + 1 : name), .text = "", .line = line_of(b)};
    if (b->depth == 0) {
        b->root = node;
    } else {
        struct open_element *parent = &b->open[b->depth - 1];
        if (parent->last_child)
            parent->last_child->next = node;
        else
            parent->node->child = node;
        parent->last_child = node;
    }
    b->open[b->depth++] = (struct open_element){.node = node, .text = STR_BUF(b->text_ceiling)};
}

static void on_end(void *ctx, const XML_Char *name)
{
    struct build *b = ctx;
    (void)name;
    if (b->is_refused)
        return;
    struct open_element *o = &b->open[--b->depth];
    struct str text = str_trim(str_buf_view(&o->text));
    if (text.n)
        o->node->text = str_dup(b->a, text);
    str_buf_free(&o->text);
}

static void on_text(void *ctx, const XML_Char *p, int n)
{
    struct build *b = ctx;
    if (!b->is_refused && b->depth > 0)
        str_buf_addn(&b->open[b->depth - 1].text, p, (size_t)n);
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int subset)
{
    (void)name, (void)system_id, (void)public_id, (void)subset;
    refuse(ctx, "a document type declaration (<!DOCTYPE) is not accepted");
}

static void on_entity(void *ctx, const XML_Char *name, int is_parameter, const XML_Char *value, int length,
                      const XML_Char *base, const XML_Char *system_id, const XML_Char *public_id, const XML_Char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)length, (void)base, (void)system_id, (void)public_id;
    (void)notation;
    refuse(ctx, "an entity declaration is not accepted");
}

bool xml_parse(struct str text, const char *what, struct arena *a, struct xml_node **root, struct error *e)
{
    if (text.n > INT_MAX / 2)
        return fail(e, ERR_DATA, "%s: %zu bytes are too many", what, text.n);
    /* Latin-1 grows to at most twice its size as UTF-8, UTF-16 to one and a half. */
    static const XML_Memory_Handling_Suite memory = {wipe_malloc, wipe_realloc, wipe_free}; /* keys and tokens come as XML */
    struct build b = {.a = a, .what = what, .text_ceiling = 2 * text.n + 16, .e = e};
    b.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (!b.parser)
        BUG("expat makes no parser");
    XML_SetUserData(b.parser, &b);
    XML_SetElementHandler(b.parser, on_start, on_end);
    XML_SetCharacterDataHandler(b.parser, on_text);
    XML_SetStartDoctypeDeclHandler(b.parser, on_doctype);
    XML_SetEntityDeclHandler(b.parser, on_entity);

    bool is_parsed = XML_Parse(b.parser, text.n ? text.p : "", (int)text.n, 1) == XML_STATUS_OK && !b.is_refused;
    if (!is_parsed && !b.is_refused)
        fail(e, ERR_DATA, "%s:%u: %s", what, line_of(&b), XML_ErrorString(XML_GetErrorCode(b.parser)));
    for (size_t i = 0; i < DEPTH_MOST; i++)
        str_buf_free(&b.open[i].text);
    XML_ParserFree(b.parser);
    if (is_parsed)
        *root = b.root;
    return is_parsed;
}

static const struct xml_node *find(const struct xml_node *n, const char *name)
{
    while (n && strcmp(n->name, name) != 0)
        n = n->next;
    return n;
}

const struct xml_node *xml_get(const struct xml_node *n, const char *child)
{
    return n ? find(n->child, child) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *n)
{
    return n ? find(n->next, n->name) : NULL;
}

const char *xml_text(const struct xml_node *n, const char *child, const char *otherwise)
{
    const struct xml_node *found = xml_get(n, child);
    return found ? found->text : otherwise;
}
