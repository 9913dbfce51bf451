/* JSON values, on jansson (the only file that includes it is src/core/json.c).
 *
 * A `struct json` is a borrowed node of a document; the document (its root) is owned by who parsed or made it and
 * freed with json_free. Readers are forgiving about absence and strict about type: every getter takes a default
 * or reports absence, none aborts. Limits: depth 64, size by the caller. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/str.h"

struct json; /* opaque */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* `what` names the text in errors ("manifest.json"); errors are ERR_DATA with line and column. Duplicate keys and
 * trailing text are errors. The result is owned: json_free. */
MUST_CHECK bool json_parse(struct str text, const char *what, struct json **out, struct error *e);
void json_free(struct json *root); /* NULL is fine */

enum json_kind json_kind(const struct json *v); /* NULL counts as JSON_NULL */
const struct json *json_get(const struct json *object, const char *key); /* NULL when absent or not an object */
size_t json_len(const struct json *v);                                   /* of an array or object, else 0 */
const struct json *json_at(const struct json *array, size_t i);          /* NULL beyond the end */
/* Object members in their written order: calls fn(key, value, ctx) until it returns false. */
void json_each(const struct json *object, bool (*fn)(const char *key, const struct json *v, void *ctx), void *ctx);

/* jansson exports functions of this name and of json_copy's; ours have other names for the linker. */
const char *json_string(const struct json *v, const char *otherwise) __asm__("retrain_json_string"); /* borrowed */
double json_number(const struct json *v, double otherwise);
bool json_int64(const struct json *v, int64_t *out); /* whole numbers only */
bool json_bool(const struct json *v, bool otherwise);

/* Making: each _new is owned until it is set into or appended to another value, which then owns it. Keys keep
 * their order. Numbers that are not finite become null. Strings must be UTF-8: other bytes are shown as \xNN. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *s); /* NULL makes JSON null */
struct json *json_new_number(double x);
struct json *json_new_int(int64_t x);
struct json *json_new_bool(bool b);
void json_set(struct json *object, const char *key, struct json *value);
void json_append(struct json *array, struct json *value);
struct json *json_copy(const struct json *v) __asm__("retrain_json_copy"); /* deep, owned */

/* Text: reals with the fewest digits that read back to the same double. pretty = two-space indent and final LF. */
void json_write(const struct json *v, bool pretty, struct str_buf *out);

#endif
