#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"

#define WALK_DEPTH 64
#define REMOVE_DEPTH 256

struct walk {
    struct arena *a;
    const char *root;
    struct fs_entry *entries;
    size_t n, cap;
    struct error *e;
};

static bool walk_trouble(struct walk *w, const char *what, const char *path)
{
    return fail(w->e, ERR_INTERNAL, "%s %s%s%s: %s", what, w->root, *path ? "/" : "", path, strerror(errno));
}

static enum fs_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? FS_FILE : S_ISDIR(mode) ? FS_DIR : S_ISLNK(mode) ? FS_LINK : FS_OTHER;
}

static bool walk_folder(struct walk *w, int fd, const char *path, int depth);

static bool walk_entry(struct walk *w, int dir_fd, const char *folder, const char *name, int depth)
{
    struct stat st;
    char *path = *folder ? arena_printf(w->a, "%s/%s", folder, name) : arena_strdup(w->a, name);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || walk_trouble(w, "stat", path); /* removed since readdir saw it */
    MEM_GROW(w->entries, w->n, w->cap);
    w->entries[w->n++] = (struct fs_entry){path, kind_of(st.st_mode), (uint64_t)st.st_size};
    if (!S_ISDIR(st.st_mode))
        return true;
    if (depth + 1 >= WALK_DEPTH)
        return fail(w->e, ERR_INTERNAL, "%s/%s: folders nest deeper than %d", w->root, path, WALK_DEPTH);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || walk_trouble(w, "open the folder", path);
    return walk_folder(w, fd, path, depth + 1);
}

/* Owns fd. */
static bool walk_folder(struct walk *w, int fd, const char *path, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        walk_trouble(w, "open the folder", path);
        close(fd);
        return false;
    }
    bool is_walked = true;
    while (is_walked) {
        errno = 0;
        struct dirent *d = readdir(dir);
        if (!d) {
            is_walked = errno == 0 || walk_trouble(w, "read the folder", path);
            break;
        }
        if (d->d_name[0] != '.')
            is_walked = walk_entry(w, fd, path, d->d_name, depth);
    }
    closedir(dir);
    return is_walked;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct fs_entry *)a)->path, ((const struct fs_entry *)b)->path);
}

bool fs_walk(const char *root, struct arena *a, struct fs_entry **out, size_t *n_out, struct error *e)
{
    struct walk w = {.a = a, .root = root, .e = e};
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return walk_trouble(&w, "open the folder", "");
    bool is_walked = walk_folder(&w, fd, "", 0);
    if (is_walked) {
        if (w.n > 1)
            qsort(w.entries, w.n, sizeof *w.entries, by_path);
        *out = ARENA_NEW(a, struct fs_entry, w.n);
        if (w.n)
            memcpy(*out, w.entries, w.n * sizeof *w.entries);
        *n_out = w.n;
    }
    mem_free(w.entries);
    return is_walked;
}

/* Everything goes through folder descriptors and O_NOFOLLOW: a link that someone swaps in while we work is unlinked,
 * not entered. */
static bool remove_at(int dir_fd, const char *name, const char *shown, int depth, struct error *e)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM) /* EPERM: what POSIX says for a folder */
        return fail(e, ERR_INTERNAL, "remove %s: %s", shown, strerror(errno));
    if (depth >= REMOVE_DEPTH)
        return fail(e, ERR_INTERNAL, "remove %s: folders nest deeper than %d", shown, REMOVE_DEPTH);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        fail(e, ERR_INTERNAL, "remove %s: %s", shown, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool is_removed = true;
    for (struct dirent *d; is_removed && (d = readdir(dir));)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            is_removed = remove_at(fd, d->d_name, shown, depth + 1, e);
    closedir(dir);
    if (is_removed && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        is_removed = fail(e, ERR_INTERNAL, "remove the folder %s: %s", shown, strerror(errno));
    return is_removed;
}

bool fs_remove_tree(const char *path, struct error *e)
{
    struct arena a = {0};
    char *name = arena_strdup(&a, path);
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        name[--n] = '\0'; /* "link/" would follow the link */
    bool is_removed = remove_at(AT_FDCWD, name, name, 0, e);
    arena_free(&a);
    return is_removed;
}
