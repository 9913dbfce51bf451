/* jansson has functions json_string and json_copy and four kinds named as ours are. Its declarations are moved out of
 * the way here (this file calls neither), and core/json.h gives our two functions other names for the linker. */
#define json_string jansson_string
#define json_copy jansson_copy
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef json_string
#undef json_copy
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_NULL

#include "core/json.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "core/wipe.h"

#define DEPTH_MOST 64

/* A struct json is a json_t under another name; jansson's readers merely forgot their const. */
static json_t *inner(const struct json *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct json *outer(json_t *v)
{
    if (!v)
        BUG("jansson makes no value");
    return (struct json *)v;
}

/* jansson recurses down to a depth of its own (2048); ours is checked before it starts. */
static bool is_shallow(struct str text)
{
    size_t depth = 0;
    bool is_in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (is_in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                is_in_string = false;
        } else if (c == '"') {
            is_in_string = true;
        } else if ((c == '[' || c == '{') && ++depth > DEPTH_MOST) {
            return false;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* Keys and tokens come as JSON. */
static void wipe_what_is_freed(void)
{
    json_set_alloc_funcs(wipe_malloc, wipe_free);
}

bool json_parse(struct str text, const char *what, struct json **out, struct error *e)
{
    if (!is_shallow(text))
        return fail(e, ERR_DATA, "%s: arrays and objects nest deeper than %d", what, DEPTH_MOST);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, wipe_what_is_freed);
    json_error_t trouble;
    json_t *root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &trouble);
    if (!root)
        return fail(e, ERR_DATA, "%s:%d:%d: %s", what, trouble.line, trouble.column, trouble.text);
    *out = outer(root);
    return true;
}

void json_free(struct json *root)
{
    json_decref((json_t *)root);
}

enum json_kind json_kind(const struct json *v)
{
    static const enum json_kind kinds[] = {
        [JANSSON_OBJECT] = JSON_OBJECT, [JANSSON_ARRAY] = JSON_ARRAY, [JANSSON_STRING] = JSON_STRING,
        [JSON_INTEGER] = JSON_NUMBER,   [JSON_REAL] = JSON_NUMBER,    [JSON_TRUE] = JSON_BOOL,
        [JSON_FALSE] = JSON_BOOL,       [JANSSON_NULL] = JSON_NULL,
    };
    return v ? kinds[json_typeof(inner(v))] : JSON_NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return (const struct json *)json_object_get(inner(object), key); /* NULL for NULL and for other kinds */
}

size_t json_len(const struct json *v)
{
    return json_kind(v) == JSON_ARRAY ? json_array_size(inner(v)) : json_object_size(inner(v));
}

const struct json *json_at(const struct json *array, size_t i)
{
    return (const struct json *)json_array_get(inner(array), i);
}

void json_each(const struct json *object, bool (*fn)(const char *key, const struct json *v, void *ctx), void *ctx)
{
    json_t *o = inner(object);
    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
        if (!fn(json_object_iter_key(at), (const struct json *)json_object_iter_value(at), ctx))
            return;
}

const char *json_string(const struct json *v, const char *otherwise)
{
    return json_kind(v) == JSON_STRING ? json_string_value(inner(v)) : otherwise;
}

double json_number(const struct json *v, double otherwise)
{
    return json_kind(v) == JSON_NUMBER ? json_number_value(inner(v)) : otherwise;
}

bool json_int64(const struct json *v, int64_t *out)
{
    if (json_kind(v) != JSON_NUMBER)
        return false;
    if (json_is_integer(inner(v))) {
        *out = (int64_t)json_integer_value(inner(v));
        return true;
    }
    double x = json_real_value(inner(v)); /* 3.0 and 1e3 are whole as well */
    if (x != floor(x) || fabs(x) >= 0x1p63)
        return false;
    *out = (int64_t)x;
    return true;
}

bool json_bool(const struct json *v, bool otherwise)
{
    return json_kind(v) == JSON_BOOL ? json_is_true(inner(v)) : otherwise;
}

struct json *json_new_object(void)
{
    return outer(json_object());
}

struct json *json_new_array(void)
{
    return outer(json_array());
}

/* The same text with each byte that is not UTF-8 shown as \xNN. */
static void add_utf8(struct str_buf *b, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(s + i, n - i);
        if (length)
            str_buf_addn(b, s + i, length);
        else
            str_buf_printf(b, "\\x%02x", (unsigned char)s[i]);
        i += length ? length : 1;
    }
}

struct json *json_new_string(const char *s)
{
    if (!s)
        return outer(json_null());
    struct str_buf b = STR_BUF(SIZE_MAX / 2);
    add_utf8(&b, s);
    struct json *v = outer(json_stringn_nocheck(str_buf_text(&b), b.n));
    str_buf_free(&b);
    return v;
}

struct json *json_new_number(double x)
{
    return outer(isfinite(x) ? json_real(x) : json_null());
}

struct json *json_new_int(int64_t x)
{
    return outer(json_integer(x));
}

struct json *json_new_bool(bool b)
{
    return outer(json_boolean(b));
}

void json_set(struct json *object, const char *key, struct json *value)
{
    struct str_buf b = STR_BUF(SIZE_MAX / 2);
    add_utf8(&b, key);
    if (json_object_set_new_nocheck((json_t *)object, str_buf_text(&b), (json_t *)value) != 0)
        BUG("json_set: \"%s\" goes into what is not an object", key);
    str_buf_free(&b);
}

void json_append(struct json *array, struct json *value)
{
    if (json_array_append_new((json_t *)array, (json_t *)value) != 0)
        BUG("json_append: not an array");
}

struct json *json_copy(const struct json *v)
{
    return outer(v ? json_deep_copy(inner(v)) : json_null());
}

static void write_string(const char *s, size_t n, struct str_buf *out)
{
    str_buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            str_buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            str_buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < 0x20 || c == 0x7f)
            str_buf_printf(out, "\\u%04x", c);
        else
            str_buf_addc(out, (char)c);
    }
    str_buf_addc(out, '"');
}

/* Seventeen digits always suffice for a double, fifteen often do. The form of %g is valid JSON: it never ends in a
 * point and its exponent may have a sign and zeros. */
static void write_real(double x, struct str_buf *out)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    str_buf_adds(out, x == 0 && signbit(x) ? "-0.0" : text); /* "-0" would be read back as the integer 0 */
}

static void write_break(bool pretty, int depth, struct str_buf *out)
{
    if (pretty)
        str_buf_printf(out, "\n%*s", 2 * depth, "");
}

static void write_value(json_t *v, bool pretty, int depth, struct str_buf *out)
{
    size_t n = 0;
    switch (json_typeof(v)) {
    case JANSSON_OBJECT:
        str_buf_addc(out, '{');
        for (void *at = json_object_iter(v); at; at = json_object_iter_next(v, at)) {
            if (n++)
                str_buf_adds(out, pretty ? "," : ", ");
            write_break(pretty, depth + 1, out);
            write_string(json_object_iter_key(at), strlen(json_object_iter_key(at)), out);
            str_buf_adds(out, ": ");
            write_value(json_object_iter_value(at), pretty, depth + 1, out);
        }
        if (n)
            write_break(pretty, depth, out);
        str_buf_addc(out, '}');
        break;
    case JANSSON_ARRAY:
        str_buf_addc(out, '[');
        for (; n < json_array_size(v); n++) {
            if (n)
                str_buf_adds(out, pretty ? "," : ", ");
            write_break(pretty, depth + 1, out);
            write_value(json_array_get(v, n), pretty, depth + 1, out);
        }
        if (n)
            write_break(pretty, depth, out);
        str_buf_addc(out, ']');
        break;
    case JANSSON_STRING:
        write_string(json_string_value(v), json_string_length(v), out);
        break;
    case JSON_INTEGER:
        str_buf_printf(out, "%" PRId64, (int64_t)json_integer_value(v));
        break;
    case JSON_REAL:
        write_real(json_real_value(v), out);
        break;
    default:
        str_buf_adds(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
    }
}

void json_write(const struct json *v, bool pretty, struct str_buf *out)
{
    if (v)
        write_value(inner(v), pretty, 0, out);
    else
        str_buf_adds(out, "null");
    if (pretty)
        str_buf_addc(out, '\n');
}
