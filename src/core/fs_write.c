#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/fs_place.h"
#include "core/hash.h"

#define LOCK_STALE_SECONDS 30

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, p, n < (size_t)1 << 30 ? n : (size_t)1 << 30);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        p += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

/* A rename is durable once its folder is. Some file systems cannot sync a folder (EINVAL); no one can do more there. */
static bool sync_folder_of(const char *path, struct error *e)
{
    struct arena a = {0};
    const char *dir = fs_dir(&a, path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP);
    if (!is_synced)
        fail(e, ERR_INTERNAL, "sync the folder %s: %s", dir, strerror(errno));
    if (fd >= 0)
        close(fd);
    arena_free(&a);
    return is_synced;
}

/* Makes ".tmp-<random>" beside `path`: the same folder, hence the same file system, and a name that fs_walk skips. */
static int temp_open(const char *path, struct arena *a, char **temp, struct error *e)
{
    uint8_t dice[8];
    char hex[2 * sizeof dice + 1];
    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, hex);
    *temp = fs_join(a, fs_dir(a, path), arena_printf(a, ".tmp-%s", hex));
    int fd = open(*temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        fail(e, ERR_INTERNAL, "write %s: %s", path, strerror(errno));
    return fd;
}

static bool temp_finish(int fd, const char *path, struct error *e)
{
    bool is_synced = fsync(fd) == 0 || errno == EINVAL || fail(e, ERR_INTERNAL, "sync %s: %s", path, strerror(errno));
    /* Network file systems report a full disk only here. */
    if (close(fd) != 0 && errno != EINTR && is_synced)
        return fail(e, ERR_INTERNAL, "write %s: %s", path, strerror(errno));
    return is_synced;
}

static bool temp_write(const char *path, const struct str *parts, size_t n, struct arena *a, char **temp, struct error *e)
{
    int fd = temp_open(path, a, temp, e);
    if (fd < 0)
        return false;
    bool is_written = true;
    for (size_t i = 0; i < n && is_written; i++)
        is_written = write_all(fd, parts[i].p, parts[i].n);
    if (!is_written) {
        fail(e, ERR_INTERNAL, "write %s: %s", path, strerror(errno));
        close(fd);
    } else if (temp_finish(fd, path, e)) {
        return true;
    }
    unlink(*temp);
    return false;
}

/* On a network file system an answer may be lost and the request sent again: the second link says EEXIST, the second
 * rename ENOENT, about what the first has done. The file itself tells: `path` is it. */
static bool is_same_file(const char *path, const struct stat *temp)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == temp->st_dev && st.st_ino == temp->st_ino;
}

bool fs_name_over(const char *temp, const char *path, struct error *e)
{
    struct stat st;
    bool is_known = lstat(temp, &st) == 0;
    if (rename(temp, path) != 0) {
        int code = errno;
        bool is_done = is_known && is_same_file(path, &st);
        unlink(temp);
        if (!is_done)
            return fail(e, ERR_INTERNAL, "replace %s: %s", path, strerror(code));
    }
    return sync_folder_of(path, e);
}

bool fs_write_atomic(const char *path, struct str bytes, struct error *e)
{
    return fs_write_parts(path, &bytes, 1, e);
}

bool fs_write_parts(const char *path, const struct str *parts, size_t n, struct error *e)
{
    struct arena a = {0};
    char *temp;
    bool is_written = temp_write(path, parts, n, &a, &temp, e) && fs_name_over(temp, path, e);
    arena_free(&a);
    return is_written;
}

/* Where neither link(2) nor renameat2(RENAME_NOREPLACE) exists (some FUSE and SMB mounts), O_EXCL on a second name
 * decides: whoever makes ".lock-<name>" may look whether `path` is there and, if not, rename onto it. Readers still
 * see nothing or the whole file. The price is a lock that a killed process leaves behind; one that is older than
 * LOCK_STALE_SECONDS is removed, which is far beyond what a look and a rename take. */
bool fs_place_locked(const char *temp, const char *path, bool *created, struct error *e)
{
    struct arena a = {0};
    const char *lock = fs_join(&a, fs_dir(&a, path), arena_printf(&a, ".lock-%s", fs_base(path)));
    bool is_done = false;
    int fd;
    *created = false;
    while ((fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0) {
        struct stat st;
        if (errno != EEXIST) {
            fail(e, ERR_INTERNAL, "lock %s: %s", path, strerror(errno));
            goto done;
        }
        if (stat(lock, &st) == 0 && clock_now() - st.st_mtime > LOCK_STALE_SECONDS)
            unlink(lock);
        else
            usleep(20000);
    }
    close(fd);
    struct stat st;
    if (lstat(path, &st) == 0) {
        is_done = true;
    } else if (rename(temp, path) == 0) {
        is_done = *created = true;
    } else {
        fail(e, ERR_INTERNAL, "create %s: %s", path, strerror(errno));
    }
    unlink(lock);
done:
    arena_free(&a);
    return is_done;
}

static bool is_unsupported(int code)
{
    return code == EPERM || code == ENOTSUP || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL ||
           code == EMLINK || code == EXDEV;
}

static bool place(const char *temp, const char *path, bool *created, struct error *e)
{
    struct stat st;
    *created = link(temp, path) == 0;
    if (*created)
        return true;
    int code = errno;
    *created = lstat(temp, &st) == 0 && is_same_file(path, &st);
    if (*created || code == EEXIST)
        return true;
    errno = code;
    if (!is_unsupported(errno))
        return fail(e, ERR_INTERNAL, "create %s: %s", path, strerror(errno));
    *created = renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
    if (*created || errno == EEXIST)
        return true;
    if (!is_unsupported(errno))
        return fail(e, ERR_INTERNAL, "create %s: %s", path, strerror(errno));
    return fs_place_locked(temp, path, created, e);
}

bool fs_name_new(const char *temp, const char *path, bool *created, struct error *e)
{
    bool is_done = place(temp, path, created, e);
    unlink(temp); /* the second name after link(2), or a file that lost; gone after a rename */
    return is_done && (!*created || sync_folder_of(path, e));
}

bool fs_create_exclusive(const char *path, struct str bytes, bool *created, struct error *e)
{
    struct arena a = {0};
    struct stat st;
    char *temp;
    bool is_done = false;
    *created = false;
    if (lstat(path, &st) == 0) {
        is_done = true; /* the common answer, without writing anything */
    } else if (temp_write(path, &bytes, 1, &a, &temp, e)) {
        is_done = fs_name_new(temp, path, created, e);
    }
    arena_free(&a);
    return is_done;
}

static bool copy_bytes(int in, int out, const char *from, const char *to, struct error *e)
{
    enum { BLOCK = 1 << 20 };
    char *block = mem_alloc(BLOCK);
    ssize_t n;
    bool is_written = true;
    while (is_written && ((n = read(in, block, BLOCK)) > 0 || (n < 0 && errno == EINTR)))
        is_written = n < 0 || write_all(out, block, (size_t)n);
    if (!is_written)
        fail(e, ERR_INTERNAL, "write %s: %s", to, strerror(errno));
    else if (n < 0)
        is_written = fail(e, ERR_INTERNAL, "read %s: %s", from, strerror(errno));
    mem_free(block);
    return is_written;
}

bool fs_copy_atomic(const char *from, const char *to, struct error *e)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return fail(e, ERR_INTERNAL, "open %s: %s", from, strerror(errno));
    struct arena a = {0};
    char *temp;
    bool is_copied = false;
    int out = temp_open(to, &a, &temp, e);
    if (out >= 0) {
        bool is_written = copy_bytes(in, out, from, to, e);
        if (is_written)
            is_written = temp_finish(out, to, e);
        else
            close(out);
        if (is_written)
            is_copied = fs_name_over(temp, to, e);
        else
            unlink(temp);
    }
    close(in);
    arena_free(&a);
    return is_copied;
}

bool fs_append(const char *path, struct str bytes, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(e, ERR_INTERNAL, "open %s for appending: %s", path, strerror(errno));
    bool is_written = write_all(fd, bytes.p, bytes.n);
    if (!is_written)
        fail(e, ERR_INTERNAL, "append to %s: %s", path, strerror(errno));
    if (close(fd) != 0 && is_written && errno != EINTR)
        is_written = fail(e, ERR_INTERNAL, "append to %s: %s", path, strerror(errno));
    return is_written;
}
