/* The control groups of this process, as files say them. Private to core. */
#ifndef CORE_CGROUP_H
#define CORE_CGROUP_H

#include "core/str.h"

/* Calls fn for the folder of each group that governs this process by `controller`, from the group itself up to the mount's
 * root: of version 2, and of version 1 where the controller is mounted there. Folders need not exist: inside a container the
 * path in /proc may be the host's and lead nowhere; the root, which is always visited, is then the container's own group.
 * `root` goes before the paths /proc and /sys ("" on a real machine). */
typedef void (*cgroup_fn)(void *ctx, struct arena *a, const char *folder, bool is_v2);
void cgroup_each(const char *root, const char *controller, struct arena *a, cgroup_fn fn, void *ctx);

/* A small file's text, trimmed; empty when it cannot be read. */
struct str cgroup_read(struct arena *a, const char *path);

#endif
