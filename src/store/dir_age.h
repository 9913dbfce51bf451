/* How old a file is by the clock of the file system that it is on, which on NFS is the server's. */
#ifndef STORE_DIR_AGE_H
#define STORE_DIR_AGE_H

#include "store/store.h"

/* Makes and removes a temporary beside the file; its time is the file system's now. */
MUST_CHECK bool dir_file_age(const char *path, enum store_found *found, double *age_s, struct error *e);

#endif
