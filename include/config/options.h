/* The option table as data, and the setter that every source of values goes through. For config and for who describes the options. */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stddef.h>

#include "config/config.h"

enum option_type {
    OPTION_TEXT,
    OPTION_CHOICE,
    OPTION_INT,
    OPTION_STEP_32,
    OPTION_REAL,
    OPTION_AUTO_REAL,
    OPTION_AUTO_INT,
    OPTION_FLAG,
    OPTION_DURATION,
    OPTION_LIST,
    OPTION_MAP,
};

enum option_scope { OPTION_INPUT, OPTION_OUTSIDE, OPTION_SECRET, OPTION_CLI };

struct option {
    const char *name;
    enum option_type type;
    const char *fallback; /* default, in the spelling a user would write */
    double low, high;
    const char *choices; /* '|' separated */
    const char *section;
    enum option_scope scope;
    bool in_recipe; /* changes the trained weights */
    const char *help;
    size_t offset; /* of the field in struct config */
};

/* A key of the map `augment`. */
struct augment_key {
    const char *name;
    double fallback, low, high;
    bool is_whole;
    const char *help;
    size_t offset; /* of the double in struct config_augment */
};

extern const struct option option_table[];
extern const int option_count;
extern const struct augment_key augment_table[];
extern const int augment_count;

/* NULL when there is none of that name. */
const struct option *option_find(struct str name);
/* The nearest option name of that scope or wider (OPTION_CLI: all), or NULL. */
const char *option_nearest(struct str name, enum option_scope scope);
const struct augment_key *augment_find(struct str name);
const char *augment_nearest(struct str name);
/* "image-size" -> "IMAGE_SIZE". */
char *option_env_name(const char *name, struct arena *a);

/* Parses a trimmed value that is not empty into its field. `where` begins the error: "retrain.yml:3: image-size". */
MUST_CHECK bool option_set(struct config *c, const struct option *o, struct str value, const char *where,
                           struct arena *a, struct error *e);
MUST_CHECK bool augment_set(struct config *c, const struct augment_key *k, struct str value, const char *where,
                            struct error *e);
/* All fields at their defaults. */
void option_set_defaults(struct config *c, struct arena *a);

static inline void *option_field(struct config *c, const struct option *o)
{
    return (char *)c + o->offset;
}
static inline const void *option_value(const struct config *c, const struct option *o)
{
    return (const char *)c + o->offset;
}
static inline double augment_value(const struct config *c, const struct augment_key *k)
{
    return *(const double *)(const void *)((const char *)&c->augment + k->offset);
}

#endif
