/* The format of ~/.aws/config and ~/.aws/credentials: [section] lines, `name = value` lines, values that go on in
 * indented lines, # and ; comments. Source: "Format of the shared config and credentials files" (AWS SDKs and Tools
 * Reference Guide); tests/golden/credentials holds the parser to the cases that the SDKs share.
 *
 * Parses in place: all names and values point into the text, so that wiping the text wipes every secret. */
#ifndef CLOUD_INI_H
#define CLOUD_INI_H

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

struct ini_property {
    const char *name;  /* lower case; one that holds anything but A-Z a-z 0-9 - _ . / % @ : + is left out */
    const char *value; /* comments cut off; the lines of one that goes on are separated by '\n' */
    unsigned line;
    struct ini_property *next;
};

struct ini_section {
    const char *name; /* what stands between the brackets, trimmed: "profile ci" */
    struct ini_property *properties;
    struct ini_section *next; /* in the file's order; a name may come again */
};

/* `text` is NUL-terminated beyond n, is rewritten, and must outlive the result; the nodes live in the arena. `what`
 * names it in errors ("/home/u/.aws/config:3: ..."): ERR_CONFIG, without the line's text, which may be a secret. */
MUST_CHECK bool ini_parse(char *text, size_t n, const char *what, struct arena *a, struct ini_section **out,
                          struct error *e);

/* The last property of that name in the section; "" when there is none. */
const char *ini_get(const struct ini_section *s, const char *name);
/* A sub-property of such a value ("\nendpoint_url = x\nregion = y"); "" when there is none. */
const char *ini_get_nested(const char *value, const char *name, struct arena *a);

#endif
