#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads to the end even where fstat knows no size (pipes, /proc); the buffer is one byte longer than the ceiling, so
 * that a file which is too large shows itself without being read whole. */
static bool read_all(int fd, const char *path, size_t max_bytes, struct str_buf *b, struct error *e)
{
    char block[65536];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(e, ERR_INTERNAL, "read %s: %s", path, strerror(errno));
        if (n == 0)
            return true;
        str_buf_addn(b, block, (size_t)n);
        if (b->overflow)
            return fail(e, ERR_INTERNAL, "%s is larger than the limit of %zu bytes", path, max_bytes);
    }
}

static bool read_sized(int fd, const char *path, size_t size, struct arena *a, struct str *out, struct error *e)
{
    char *p = arena_alloc(a, size + 1);
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, p + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(e, ERR_INTERNAL, "read %s: %s", path, strerror(errno));
        if (got == 0)
            break; /* it shrank meanwhile */
        n += (size_t)got;
    }
    *out = (struct str){p, n};
    return true;
}

bool fs_read_file(const char *path, size_t max_bytes, struct arena *a, struct str *out, struct error *e)
{
    struct stat st;
    bool is_read = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, ERR_INTERNAL, "open %s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0) {
        fail(e, ERR_INTERNAL, "stat %s: %s", path, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        fail(e, ERR_INTERNAL, "read %s: it is a folder", path);
    } else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max_bytes) {
        fail(e, ERR_INTERNAL, "%s has %llu bytes; the limit is %zu", path, (unsigned long long)st.st_size, max_bytes);
    } else if (S_ISREG(st.st_mode) && st.st_size > 0) {
        is_read = read_sized(fd, path, (size_t)st.st_size, a, out, e);
    } else {
        struct str_buf b = STR_BUF(max_bytes);
        is_read = read_all(fd, path, max_bytes, &b, e);
        if (is_read)
            *out = (struct str){arena_strndup(a, b.p, b.n), b.n};
        str_buf_free(&b);
    }
    close(fd);
    return is_read;
}

static enum fs_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? FS_FILE : S_ISDIR(mode) ? FS_DIR : S_ISLNK(mode) ? FS_LINK : FS_OTHER;
}

bool fs_stat(const char *path, bool follow, struct fs_stat *out, struct error *e)
{
    struct stat st;
    *out = (struct fs_stat){.kind = FS_ABSENT};
    if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return true;
        return fail(e, ERR_INTERNAL, "stat %s: %s", path, strerror(errno));
    }
    *out = (struct fs_stat){kind_of(st.st_mode), (uint64_t)st.st_size, st.st_mtim};
    return true;
}

bool fs_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool fs_mkdirs(const char *path, struct error *e)
{
    struct arena a = {0};
    char *part = arena_strdup(&a, path);
    bool is_made = true;
    for (char *at = part; is_made && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char end = *at;
        *at = '\0';
        struct stat st;
        if (*part && mkdir(part, 0755) != 0) {
            int code = errno; /* read-only parents report EROFS or EACCES for a folder that is there */
            if (stat(part, &st) != 0)
                is_made = fail(e, ERR_INTERNAL, "make the folder %s: %s", part, strerror(code));
            else if (!S_ISDIR(st.st_mode))
                is_made = fail(e, ERR_INTERNAL, "make the folder %s: a file is in the way", part);
        }
        *at = end;
    }
    arena_free(&a);
    return is_made;
}

bool fs_remove(const char *path, struct error *e)
{
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return true;
    return fail(e, ERR_INTERNAL, "remove %s: %s", path, strerror(errno));
}
