#include "cloud/ini.h"

#include <ctype.h>
#include <string.h>

#define MAX_NODES 100000 /* sections and properties: a bound on what a file of 1 MiB may cost */

struct parser {
    const char *what;
    unsigned line;
    struct arena *a;
    struct ini_section **section_end;
    struct ini_section *section; /* NULL before the first */
    struct ini_property **property_end;
    struct ini_property *property; /* what an indented line goes on with, or NULL */
    bool is_nested;                /* its value began empty: its lines are sub-properties */
    char *value_end;
    unsigned n_nodes;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool wrong(const struct parser *p, struct error *e, const char *why)
{
    return fail(e, ERR_CONFIG, "%s:%u: %s", p->what, p->line, why);
}

static bool name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!isalnum((unsigned char)name.p[i]) && !(name.p[i] && strchr("-_./%@:+", name.p[i])))
            return false;
    }
    return name.n > 0;
}

/* "value # comment": the mark counts only after a blank. */
static struct str without_comment(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] == '#' || s.p[i] == ';') && (i == 0 || is_blank(s.p[i - 1])))
            return str_slice(s, 0, i);
    }
    return s;
}

static bool section_line(struct parser *p, char *line, size_t n, struct error *e)
{
    char *close = memchr(line, ']', n);
    if (!close)
        return wrong(p, e, "the section's name has no closing ]");
    struct str rest = str_trim(str_slice((struct str){line, n}, (size_t)(close - line) + 1, n));
    if (rest.n && rest.p[0] != '#' && rest.p[0] != ';')
        return wrong(p, e, "text after the section's closing ]");

    struct str name = str_trim((struct str){line + 1, (size_t)(close - line) - 1});
    struct ini_section *s = ARENA_NEW(p->a, struct ini_section, 1);
    line[(size_t)(name.p - line) + name.n] = 0;
    s->name = name.p;
    *p->section_end = s;
    p->section_end = &s->next;
    p->section = s;
    p->property_end = &s->properties;
    p->property = NULL;
    return true;
}

static bool property_line(struct parser *p, char *line, size_t n, struct error *e)
{
    char *equals = memchr(line, '=', n);
    if (!p->section)
        return wrong(p, e, "a value before the first [section]");
    if (!equals)
        return wrong(p, e, "neither `name = value` nor [section]");
    struct str name = str_trim((struct str){line, (size_t)(equals - line)});
    if (!name.n)
        return wrong(p, e, "a value without a name");

    size_t from = (size_t)(equals - line) + 1;
    struct str value = str_trim(without_comment((struct str){line + from, n - from}));
    struct ini_property *property = ARENA_NEW(p->a, struct ini_property, 1);
    if (name_is_valid(name)) {
        *p->property_end = property;
        p->property_end = &property->next;
    }
    for (size_t i = 0; i < name.n; i++)
        line[(size_t)(name.p - line) + i] = (char)tolower((unsigned char)name.p[i]);
    line[(size_t)(name.p - line) + name.n] = 0;
    p->value_end = value.n ? line + (value.p - line) + value.n : equals + 1;
    property->name = name.p;
    property->value = value.n ? value.p : p->value_end;
    property->line = p->line;
    *p->value_end = 0;
    p->property = property;
    p->is_nested = value.n == 0;
    return true;
}

/* Moved up to the value that it belongs to; comments in it are text. */
static bool continuation_line(struct parser *p, struct str text, struct error *e)
{
    if (!p->section)
        return wrong(p, e, "a value before the first [section]");
    if (!p->property)
        return wrong(p, e, "an indented line with nothing to go on from");
    if (p->is_nested) {
        const char *equals = memchr(text.p, '=', text.n);
        if (!equals)
            return wrong(p, e, "an indented line without `name = value`");
        if (equals == text.p)
            return wrong(p, e, "an indented value without a name");
    }
    *p->value_end++ = '\n';
    memmove(p->value_end, text.p, text.n);
    p->value_end += text.n;
    *p->value_end = 0;
    return true;
}

static bool parse_line(struct parser *p, char *line, size_t n, struct error *e)
{
    struct str text = str_trim((struct str){line, n});

    if (!text.n || line[0] == '#' || line[0] == ';')
        return true;
    if (is_blank(line[0]))
        return continuation_line(p, text, e);
    if (++p->n_nodes > MAX_NODES)
        return wrong(p, e, "the file has too many lines");
    if (line[0] == '[')
        return section_line(p, line, n, e);
    return property_line(p, line, n, e);
}

bool ini_parse(char *text, size_t n, const char *what, struct arena *a, struct ini_section **out, struct error *e)
{
    struct parser p = {.what = what, .a = a, .section_end = out};

    *out = NULL;
    if (memchr(text, 0, n))
        return fail(e, ERR_CONFIG, "%s: holds a NUL byte: it is no text file", what);
    for (size_t at = 0; at < n;) {
        char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        p.line++;
        if (!parse_line(&p, text + at, length, e))
            return false;
        at += length + 1;
    }
    return true;
}

const char *ini_get(const struct ini_section *s, const char *name)
{
    const char *value = "";
    for (const struct ini_property *p = s->properties; p; p = p->next) {
        if (strcmp(p->name, name) == 0)
            value = p->value;
    }
    return value;
}

const char *ini_get_nested(const char *value, const char *name, struct arena *a)
{
    struct str rest = str_of(value), line, found = {0}, key;
    while (str_cut(&rest, '\n', &line)) {
        if (str_cut(&line, '=', &key) && str_is(str_trim(key), name))
            found = str_trim(line);
    }
    return str_dup(a, found);
}
