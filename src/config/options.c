#include "config/options.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/yaml.h"

const struct option option_table[] = {
#define OPTION(field, name, type, fallback, low, high, choices, section, scope, weights, help)                         \
    {name,                                                                                                             \
     OPTION_##type,                                                                                                    \
     fallback,                                                                                                         \
     low,                                                                                                              \
     high,                                                                                                             \
     choices,                                                                                                          \
     section,                                                                                                          \
     OPTION_##scope,                                                                                                   \
     weights,                                                                                                          \
     help,                                                                                                             \
     offsetof(struct config, field)},
#define AUGMENT(field, name, fallback, low, high, help)
#include "options.def"
};
const int option_count = sizeof option_table / sizeof option_table[0];

const struct augment_key augment_table[] = {
#define OPTION(field, name, type, fallback, low, high, choices, section, scope, weights, help)
#define AUGMENT(field, name, fallback, low, high, help)                                                                \
    {name, fallback, low, high, (high) > 1000, help, offsetof(struct config_augment, field)},
#include "options.def"
};
const int augment_count = sizeof augment_table / sizeof augment_table[0];

const struct option *option_find(struct str name)
{
    for (int i = 0; i < option_count; i++) {
        if (str_is(name, option_table[i].name))
            return &option_table[i];
    }
    return NULL;
}

const char *option_nearest(struct str name, enum option_scope scope)
{
    const char *names[sizeof option_table / sizeof option_table[0] + 1] = {0};
    int n = 0;
    for (int i = 0; i < option_count; i++) {
        if (option_table[i].scope <= scope)
            names[n++] = option_table[i].name;
    }
    return str_nearest(name, names);
}

const struct augment_key *augment_find(struct str name)
{
    for (int i = 0; i < augment_count; i++) {
        if (str_is(name, augment_table[i].name))
            return &augment_table[i];
    }
    return NULL;
}

const char *augment_nearest(struct str name)
{
    const char *names[sizeof augment_table / sizeof augment_table[0] + 1] = {0};
    for (int i = 0; i < augment_count; i++)
        names[i] = augment_table[i].name;
    return str_nearest(name, names);
}

char *option_env_name(const char *name, struct arena *a)
{
    char *out = arena_strdup(a, name);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return out;
}

/* "n|s|m" -> the word of the list that equals value, NUL-terminated in the arena, or NULL. */
static const char *choice_of(const char *choices, struct str value, struct arena *a)
{
    struct str rest = str_of(choices), word;
    while (str_cut(&rest, '|', &word)) {
        if (str_eq(word, value))
            return str_dup(a, word);
    }
    return NULL;
}

static bool fail_choice(const struct option *o, struct str value, const char *where, struct error *e)
{
    char words[128] = "";
    size_t n = 0;
    for (const char *p = o->choices; *p && n + 3 < sizeof words; p++) {
        words[n++] = *p == '|' ? ',' : *p;
        if (*p == '|')
            words[n++] = ' ';
    }
    return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not one of: %s", where, STR_ARG(str_slice(value, 0, 80)), words);
}

/* Chosen words once each, in the table's order, so that "safetensors,onnx" and "onnx, safetensors" are one value. */
static bool set_list(const struct option *o, struct str value, const char *where, struct arena *a, const char **out,
                     struct error *e)
{
    struct str rest = value, word;
    while (str_cut(&rest, ',', &word)) {
        word = str_trim(word);
        if (word.n && !choice_of(o->choices, word, a))
            return fail_choice(o, word, where, e);
    }
    const char *joined = "";
    struct str all = str_of(o->choices), known;
    while (str_cut(&all, '|', &known)) {
        rest = value;
        while (str_cut(&rest, ',', &word)) {
            if (!str_eq(str_trim(word), known))
                continue;
            joined = arena_printf(a, "%s%s" STR_FMT, joined, *joined ? "," : "", STR_ARG(known));
            break;
        }
    }
    if (!*joined)
        return fail(e, ERR_CONFIG, "%s: names nothing; choose from: %s", where, o->choices);
    *out = joined;
    return true;
}

void config_format_real(double x, char out[32])
{
    if (x > -1e15 && x < 1e15 && x == (double)(int64_t)x) {
        snprintf(out, 32, "%lld", (long long)x);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            return;
    }
}

static bool in_range(const char *where, struct str value, double x, double low, double high, struct error *e)
{
    char from[32], to[32];
    config_format_real(low, from);
    config_format_real(high, to);
    if (!(x >= low && x <= high))
        return fail(e, ERR_CONFIG, "%s: " STR_FMT " is out of range %s..%s", where, STR_ARG(str_slice(value, 0, 40)),
                    from, to);
    return true;
}

static bool set_int(const struct option *o, struct str value, const char *where, int *out, struct error *e)
{
    int64_t x;
    if (!str_to_int64(value, &x))
        return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not a whole number, such as %s", where,
                    STR_ARG(str_slice(value, 0, 80)), o->fallback);
    if (!in_range(where, value, (double)x, o->low, o->high, e))
        return false;
    if (o->type == OPTION_STEP_32 && x % 32)
        return fail(e, ERR_CONFIG, "%s: %lld is not a multiple of 32: use %lld or %lld", where, (long long)x,
                    (long long)(x / 32 * 32), (long long)(x / 32 * 32 + 32));
    *out = (int)x;
    return true;
}

static bool set_real(struct str value, const char *where, double low, double high, double *out, struct error *e)
{
    double x;
    if (!str_to_double(value, &x))
        return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not a number; decimals are written with a point, as in 0.5",
                    where, STR_ARG(str_slice(value, 0, 80)));
    if (!in_range(where, value, x, low, high, e))
        return false;
    *out = x == 0 ? 0 : x; /* -0 and 0 are one value */
    return true;
}

bool augment_set(struct config *c, const struct augment_key *k, struct str value, const char *where, struct error *e)
{
    double x;
    if (!set_real(value, where, k->low, k->high, &x, e))
        return false;
    if (k->is_whole && x != (double)(int)x)
        return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not a whole number", where, STR_ARG(str_slice(value, 0, 80)));
    *(double *)(void *)((char *)&c->augment + k->offset) = x;
    return true;
}

/* "mosaic=0.5, fliplr=0": sets the named keys and leaves the others as they are. */
static bool set_map(struct config *c, struct str value, const char *where, struct error *e)
{
    struct str rest = value, pair;
    while (str_cut(&rest, ',', &pair)) {
        struct str name, number = str_trim(pair);
        if (!number.n)
            continue;
        bool has_value = memchr(number.p, '=', number.n) != NULL;
        if (!has_value || !str_cut(&number, '=', &name))
            return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not name=value, such as mosaic=0.5", where,
                        STR_ARG(str_slice(pair, 0, 80)));
        name = str_trim(name);
        const struct augment_key *k = augment_find(name);
        if (!k) {
            const char *near = augment_nearest(name);
            return fail(e, ERR_CONFIG, "%s: there is no '" STR_FMT "'%s%s%s", where, STR_ARG(str_slice(name, 0, 80)),
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        if (!augment_set(c, k, str_trim(number), where, e))
            return fail_in(e, "%s", k->name);
    }
    return true;
}

bool option_set(struct config *c, const struct option *o, struct str value, const char *where, struct arena *a,
                struct error *e)
{
    void *field = option_field(c, o);
    if (!str_is_utf8(value) || memchr(value.p, '\n', value.n) || memchr(value.p, '\r', value.n))
        return fail(e, ERR_CONFIG, "%s: the value must be one line of UTF-8 text", where);

    switch (o->type) {
    case OPTION_TEXT:
        *(const char **)field = str_dup(a, value);
        return true;
    case OPTION_CHOICE: {
        const char *word = choice_of(o->choices, value, a);
        if (!word)
            return fail_choice(o, value, where, e);
        *(const char **)field = word;
        return true;
    }
    case OPTION_LIST:
        return set_list(o, value, where, a, field, e);
    case OPTION_MAP:
        return set_map(c, value, where, e);
    case OPTION_INT:
    case OPTION_STEP_32:
        return set_int(o, value, where, field, e);
    case OPTION_REAL:
        return set_real(value, where, o->low, o->high, field, e);
    case OPTION_AUTO_REAL:
        if (str_is(value, "auto")) {
            *(double *)field = 0;
            return true;
        }
        return set_real(value, where, o->low, o->high, field, e);
    case OPTION_AUTO_INT:
        if (str_is(value, "auto")) {
            *(int *)field = 0;
            return true;
        }
        return set_int(o, value, where, field, e);
    case OPTION_FLAG:
        if (!yaml_to_bool(str_dup(a, value), field))
            return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is neither true nor false", where,
                        STR_ARG(str_slice(value, 0, 80)));
        return true;
    case OPTION_DURATION: {
        double seconds;
        if (!clock_parse_duration(value, &seconds))
            return fail(e, ERR_CONFIG, "%s: '" STR_FMT "' is not a duration, such as 90s, 45m or 5h30m", where,
                        STR_ARG(str_slice(value, 0, 80)));
        if (!in_range(where, value, seconds, o->low, o->high, e))
            return false;
        *(double *)field = seconds;
        return true;
    }
    }
    BUG("option type %d", (int)o->type);
}

void option_set_defaults(struct config *c, struct arena *a)
{
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        struct error e = {0};
        if (o->type == OPTION_TEXT)
            *(const char **)option_field(c, o) = o->fallback;
        else if (o->type != OPTION_MAP && !option_set(c, o, str_of(o->fallback), o->name, a, &e))
            BUG("default of %s", e.message);
    }
    for (int i = 0; i < augment_count; i++)
        *(double *)(void *)((char *)&c->augment + augment_table[i].offset) = augment_table[i].fallback;
}
