/* Files and folders, with the two promises that the rest builds on: a read has a ceiling, and a write that others
 * may see is atomic and durable (write temporary, fsync, rename, fsync the folder). */
#ifndef CORE_FS_H
#define CORE_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

/* Failure codes here are ERR_INTERNAL unless said otherwise; callers that know better overwrite e->code. */

/* Reads the whole file into the arena, NUL-terminated beyond n. Larger than max_bytes = failure that says so. */
MUST_CHECK bool fs_read_file(const char *path, size_t max_bytes, struct arena *a, struct str *out, struct error *e);

/* Replaces `path` by exactly these bytes; readers see the old or the new file, never a part. mode e.g. 0644. */
MUST_CHECK bool fs_write_atomic(const char *path, struct str bytes, struct error *e);
/* The same with the parts' bytes one after another: a large file needs no second copy of what it is made of. */
MUST_CHECK bool fs_write_parts(const char *path, const struct str *parts, size_t n, struct error *e);
/* Creates `path` with these bytes only if nothing is there: *created says which (link(2), else O_EXCL + rename rules). */
MUST_CHECK bool fs_create_exclusive(const char *path, struct str bytes, bool *created, struct error *e);
/* Gives a finished and synced file beside `path` that name, over what is there or (*created) only if nothing is. `temp` is
 * gone afterwards, whatever came of it. */
MUST_CHECK bool fs_name_over(const char *temp, const char *path, struct error *e);
MUST_CHECK bool fs_name_new(const char *temp, const char *path, bool *created, struct error *e);
/* Copies a file, atomic and durable like fs_write_atomic. */
MUST_CHECK bool fs_copy_atomic(const char *from, const char *to, struct error *e);
MUST_CHECK bool fs_append(const char *path, struct str bytes, struct error *e); /* O_APPEND, created 0644 */
MUST_CHECK bool fs_mkdirs(const char *path, struct error *e);                   /* like mkdir -p */
MUST_CHECK bool fs_remove(const char *path, struct error *e);      /* a missing file is success */
MUST_CHECK bool fs_remove_tree(const char *path, struct error *e); /* a missing tree is success; never follows links */

enum fs_kind { FS_ABSENT, FS_FILE, FS_DIR, FS_LINK, FS_OTHER };
struct fs_stat {
    enum fs_kind kind;
    uint64_t size_bytes;
    struct timespec mtime;
};
/* Absent is not an error. follow = false reports a symbolic link as FS_LINK. */
MUST_CHECK bool fs_stat(const char *path, bool follow, struct fs_stat *out, struct error *e);
bool fs_exists(const char *path); /* follows links; false on any trouble */

struct fs_entry {
    const char *path; /* relative to the walked root, '/' separators */
    enum fs_kind kind;
    uint64_t size_bytes;
};
/* All entries below root whose path has no component beginning with '.', sorted by path bytes (strcmp), folders
 * included (FS_DIR), links not followed (reported as FS_LINK). root itself may be a link. Depth at most 64. What is removed
 * while we walk may be left out. */
MUST_CHECK bool fs_walk(const char *root, struct arena *a, struct fs_entry **out, size_t *n_out, struct error *e);

/* Path text. All results live in the arena. */
char *fs_join(struct arena *a, const char *dir, const char *name); /* an absolute name wins; "." and "" vanish */
const char *fs_base(const char *path);                             /* after the last '/' */
const char *fs_ext(const char *path);                              /* ".jpg" or "" ; of the last component */
char *fs_dir(struct arena *a, const char *path);                   /* "." when there is no '/' */
char *fs_stem(struct arena *a, const char *path);                  /* base without its last extension */
/* Without ".", "name/.." and doubled slashes, by the text alone: links are not followed. Leading ".." of a relative
 * path stay; "" for the current folder. */
char *fs_normal(struct arena *a, const char *path);

#endif
