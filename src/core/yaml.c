#include "core/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define TEXT_MOST ((size_t)10 << 20)
#define DEPTH_MOST 32

struct read {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted when the next is read */
    const char *file;
    struct arena *a;
    struct error *e;
};

static bool refuse(struct read *r, size_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static bool refuse(struct read *r, size_t line, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return fail(r->e, ERR_CONFIG, "%s:%zu: %s", r->file, line, text);
}

static size_t line_of(const struct read *r)
{
    return r->event.start_mark.line + 1;
}

static bool read_event(struct read *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return true;
    memset(&r->event, 0, sizeof r->event);
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR)
        return fail(r->e, ERR_CONFIG, "%s: byte %zu: %s (the file must be UTF-8)", r->file, p->problem_offset, problem);
    const char *hint = "";
    if (strstr(problem, "cannot start any token"))
        hint = "; a tab cannot indent, and text that begins with @ % ` or a quote needs quotes";
    else if (strstr(problem, "mapping values are not allowed"))
        hint = "; put quotes around text that contains \": \"";
    return refuse(r, p->problem_mark.line + 1, "%s%s%s%s", p->context ? p->context : "", p->context ? ", " : "", problem,
                  hint);
}

/* The tags of YAML's core schema are accepted and only !!str changes anything: the reader of an option knows its type. */
static bool check_tag(struct read *r, const yaml_char_t *tag, bool *is_string)
{
    static const char *const core[] = {"int", "float", "bool", "null", "seq", "map", NULL};
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *name = (const char *)tag;
    if (!name)
        return true;
    if (strcmp(name, "!") == 0 || strcmp(name, "tag:yaml.org,2002:str") == 0) {
        *is_string = true;
        return true;
    }
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        for (int i = 0; core[i]; i++)
            if (strcmp(name + sizeof prefix - 1, core[i]) == 0)
                return true;
    return refuse(r, line_of(r), "the tag \"%.100s\" is not accepted; remove it", name);
}

static bool check_anchor(struct read *r, const yaml_char_t *anchor)
{
    return !anchor || refuse(r, line_of(r), "the anchor \"&%.100s\" is not accepted; write the value out at each place",
                             (const char *)anchor);
}

static bool read_scalar(struct read *r, struct yaml_node *out)
{
    bool is_string = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const char *text = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    if (!check_anchor(r, r->event.data.scalar.anchor) || !check_tag(r, r->event.data.scalar.tag, &is_string))
        return false;
    if (memchr(text, '\0', n))
        return refuse(r, line_of(r), "text with a NUL character is not accepted");
    *out = (struct yaml_node){
        .kind = YAML_SCALAR, .line = (unsigned)line_of(r), .is_quoted = is_string, .text = arena_strndup(r->a, text, n)};
    return true;
}

static bool read_node(struct read *r, int depth, struct yaml_node *out);

/* Children while their number is unknown; copied into the arena when the list or map ends. */
struct children {
    struct yaml_node *at;
    const char **keys;
    unsigned *key_lines;
    size_t n, cap, key_cap, line_cap;
};

static bool read_key(struct read *r, struct children *c)
{
    struct yaml_node key;
    if (r->event.type == YAML_ALIAS_EVENT)
        return refuse(r, line_of(r), "the alias \"*%.100s\" is not accepted", (const char *)r->event.data.alias.anchor);
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, line_of(r), "a key must be plain text");
    if (!read_scalar(r, &key))
        return false;
    size_t n = c->n;
    MEM_GROW(c->keys, n, c->key_cap);
    MEM_GROW(c->key_lines, n, c->line_cap);
    c->keys[n] = key.text;
    c->key_lines[n] = key.line;
    return read_event(r);
}

static bool read_children(struct read *r, bool is_map, int depth, struct children *c)
{
    yaml_event_type_t end = is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        if (!read_event(r))
            return false;
        if (r->event.type == end)
            return true;
        if (is_map && !read_key(r, c))
            return false;
        MEM_GROW(c->at, c->n, c->cap);
        if (!read_node(r, depth + 1, &c->at[c->n]))
            return false;
        c->n++;
    }
}

struct key_line {
    const char *key;
    unsigned line;
};

static int by_key(const void *a, const void *b)
{
    const struct key_line *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorted, not compared pairwise: a text of 10 MB may hold a million keys. */
static bool check_duplicates(struct read *r, const struct children *c)
{
    struct key_line *sorted = mem_alloc(mem_mul(c->n, sizeof *sorted));
    for (size_t i = 0; i < c->n; i++)
        sorted[i] = (struct key_line){c->keys[i], c->key_lines[i]};
    qsort(sorted, c->n, sizeof *sorted, by_key);
    bool is_unique = true;
    for (size_t i = 1; is_unique && i < c->n; i++)
        if (strcmp(sorted[i - 1].key, sorted[i].key) == 0)
            is_unique = refuse(r, sorted[i].line, "the key \"%.100s\" stands here and on line %u; remove one",
                               sorted[i].key, sorted[i - 1].line);
    mem_free(sorted);
    return is_unique;
}

static void *keep(struct arena *a, const void *items, size_t n, size_t size)
{
    void *copy = arena_alloc(a, mem_mul(n, size));
    if (n)
        memcpy(copy, items, n * size);
    return copy;
}

static bool read_collection(struct read *r, bool is_map, int depth, struct yaml_node *out)
{
    bool unused;
    unsigned line = (unsigned)line_of(r);
    const yaml_char_t *anchor = is_map ? r->event.data.mapping_start.anchor : r->event.data.sequence_start.anchor;
    const yaml_char_t *tag = is_map ? r->event.data.mapping_start.tag : r->event.data.sequence_start.tag;
    if (!check_anchor(r, anchor) || !check_tag(r, tag, &unused))
        return false;
    if (depth >= DEPTH_MOST)
        return refuse(r, line, "lists and maps nest deeper than %d", DEPTH_MOST);

    struct children c = {0};
    bool is_read = read_children(r, is_map, depth, &c) && (!is_map || check_duplicates(r, &c));
    if (is_read) {
        *out = (struct yaml_node){.kind = is_map ? YAML_MAP : YAML_LIST, .line = line, .text = "", .n = c.n};
        out->at = keep(r->a, c.at, c.n, sizeof *c.at);
        if (is_map) {
            out->keys = keep(r->a, c.keys, c.n, sizeof *c.keys);
            out->key_lines = keep(r->a, c.key_lines, c.n, sizeof *c.key_lines);
        }
    }
    mem_free(c.at);
    mem_free(c.keys);
    mem_free(c.key_lines);
    return is_read;
}

/* The node that the current event begins; leaves its last event current. */
static bool read_node(struct read *r, int depth, struct yaml_node *out)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(r, false, depth, out);
    case YAML_MAPPING_START_EVENT:
        return read_collection(r, true, depth, out);
    case YAML_ALIAS_EVENT:
        return refuse(r, line_of(r), "the alias \"*%.100s\" is not accepted; write the value out",
                      (const char *)r->event.data.alias.anchor);
    default:
        BUG("libyaml event %d where a value begins", (int)r->event.type);
    }
}

static bool read_stream(struct read *r, struct yaml_node *out)
{
    *out = (struct yaml_node){.kind = YAML_MAP, .line = 1, .text = ""};
    if (!read_event(r) || !read_event(r)) /* the stream's start, then a document's or the stream's end */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!read_event(r) || !read_node(r, 0, out))
        return false;
    if (out->kind == YAML_SCALAR && out->text[0] == '\0' && !out->is_quoted)
        *out = (struct yaml_node){.kind = YAML_MAP, .line = out->line, .text = ""}; /* "---" and nothing */
    if (!read_event(r) || !read_event(r)) /* the document's end, then the stream's */
        return false;
    return r->event.type == YAML_STREAM_END_EVENT || refuse(r, line_of(r), "a second document (---) is not accepted");
}

bool yaml_parse(struct str text, const char *file, struct arena *a, struct yaml_node *out, struct error *e)
{
    if (text.n > TEXT_MOST)
        return fail(e, ERR_CONFIG, "%s: %zu bytes; a YAML file may have at most %zu", file, text.n, TEXT_MOST);
    struct read r = {.file = file, .a = a, .e = e};
    if (!yaml_parser_initialize(&r.parser))
        BUG("libyaml makes no parser");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    bool is_read = read_stream(&r, out);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return is_read;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return &map->at[i];
    return NULL;
}

bool yaml_is_null(const struct yaml_node *v)
{
    if (!v)
        return true;
    if (v->kind != YAML_SCALAR || v->is_quoted)
        return false;
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    for (int i = 0; nulls[i]; i++)
        if (strcmp(v->text, nulls[i]) == 0)
            return true;
    return false;
}

bool yaml_to_bool(const char *text, bool *out)
{
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    for (int i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i < 3;
            return true;
        }
    return false;
}
