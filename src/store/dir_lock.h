/* A lock on one folder, among processes that may run in different containers or on different machines, any of which
 * may be killed while it holds the lock.
 *
 * The lock is a small file made with O_EXCL: that works on every file system. A killed holder leaves it behind, so a
 * waiter takes it over when it has watched the same content for DIR_LOCK_STALE_S. Before that, everybody takes flock()
 * on the folder, which the kernel releases with its holder: so a lock left behind under the same kernel (told by its
 * boot id, whatever the container) is taken over at once. A holder that needs long writes new content from time to time
 * (dir_lock_keep); callers compare afterwards all the same. */
#ifndef STORE_DIR_LOCK_H
#define STORE_DIR_LOCK_H

#include "core/error.h"

#define DIR_LOCK_STALE_S 20.0
#define DIR_LOCK_WAIT_S 300.0

struct dir_lock {
    int folder_fd; /* flock is held on it; -1 = none */
    char *path;    /* the O_EXCL file; NULL = the lock is not held */
    char content[160];
    double since; /* when the content was written */
};

/* `folder` exists. `stale_s` is DIR_LOCK_STALE_S but in tests. ERR_STORE when it could not be had in time. */
MUST_CHECK bool dir_lock_take(struct dir_lock *l, const char *folder, double stale_s, struct error *e);
/* Before each write under the lock. *held = false: we were suspended so long that somebody else has taken it over. */
MUST_CHECK bool dir_lock_keep(struct dir_lock *l, double stale_s, bool *held, struct error *e);
void dir_lock_release(struct dir_lock *l);

#endif
