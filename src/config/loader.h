/* A configuration while it is being read: what the sources of values share. Private to config. */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "config/config.h"
#include "config/options.h"

#define LOADER_MAX_OPTIONS 128

struct loader {
    const struct config_input *in;
    struct config *c;
    const char *origins[LOADER_MAX_OPTIONS]; /* where the effective value came from; NULL = default */
};

/* Sets a value unless it is blank. `origin` is kept for the log, `where` begins the error. */
MUST_CHECK bool loader_set(struct loader *l, const struct option *o, struct str value, const char *origin,
                           const char *where, struct error *e);
/* command_line.c: the command, its arguments and the flags. */
MUST_CHECK bool loader_read_command_line(struct loader *l, struct error *e);
/* config_file.c: the file `name`, relative to the workspace; it may be missing unless named_by asked for it. */
MUST_CHECK bool loader_read_file(struct loader *l, const char *name, const char *named_by, struct error *e);
/* places.c: a relative path must not leave the workspace of a CI host. */
MUST_CHECK bool loader_check_escape(const struct loader *l, const char *option, const char *path, struct error *e);
/* places.c: all paths of the configuration; the run's own files must not lie inside the dataset. */
MUST_CHECK bool loader_check_places(const struct loader *l, struct error *e);

#endif
