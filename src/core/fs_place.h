/* Inside of fs_write.c, open for its test: how a finished temporary file gets its name where nothing may be yet. */
#ifndef CORE_FS_PLACE_H
#define CORE_FS_PLACE_H

#include <stdbool.h>

#include "core/error.h"

/* Gives the whole file `temp` the name `path` under the protection of a lock file (see the comment in fs_write.c). On
 * success *created says whether it was us; `temp` is left if it was not. */
MUST_CHECK bool fs_place_locked(const char *temp, const char *path, bool *created, struct error *e);

#endif
