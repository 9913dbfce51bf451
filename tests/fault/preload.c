/* Fails, or ends the process at, the n-th call that changes files: LD_PRELOAD=preload.so FAULT_AT=n FAULT_DO=what.
 *
 *     FAULT_DO      kill        SIGKILL before the call
 *                   ENOSPC ...  the call fails with this error and does nothing
 *                   lost        the call is carried out and its answer lost: what a network file system then says, that
 *                               is EEXIST (link, mkdir, open of a new file), ENOENT (rename, unlink), ESTALE (else)
 *                   short       write: half of it, or one byte
 *     FAULT_REQUEST n   SIGKILL at the n-th HTTP request in plain text: before it is sent, or with FAULT_DO=sent after
 *     FAULT_FOREVER 1 = from the n-th call on
 *     FAULT_CALLS   which are counted: "open,write,fsync,..." ; unset = all below
 *     FAULT_BELOW   count only what concerns files below this folder
 *
 * Says "fault: <call> <path>" on standard error when it does something. close() fails after it has closed, as Linux does. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int n_calls;

static int code_of(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},     {"EROFS", EROFS}, {"EDQUOT", EDQUOT},
                 {"EINTR", EINTR},   {"EACCES", EACCES}, {"ESTALE", ESTALE}, {"EPERM", EPERM}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (!strcmp(codes[i].name, name))
            return codes[i].code;
    }
    return 0;
}

static int is_listed(const char *call)
{
    const char *list = getenv("FAULT_CALLS"), *at;
    size_t n = strlen(call);
    if (!list)
        return 1;
    for (at = list; (at = strstr(at, call)); at += n) {
        if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n]))
            return 1;
    }
    return 0;
}

static int is_below(const char *path)
{
    const char *below = getenv("FAULT_BELOW");
    return !below || strncmp(path, below, strlen(below)) == 0;
}

static void path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
}

/* 0 = go on as if we were not here; else an errno, -1 = lost, -2 = short. */
static int fault(const char *call, const char *path)
{
    const char *at = getenv("FAULT_AT"), *what = getenv("FAULT_DO");
    char text[PATH_MAX + 64];
    if (!at || !what || !is_listed(call) || !is_below(path))
        return 0;
    n_calls++;
    if (n_calls < atoi(at) || (n_calls > atoi(at) && !getenv("FAULT_FOREVER")))
        return 0;
    int n = snprintf(text, sizeof text, "fault: %s %s\n", call, path);
    syscall(SYS_write, 2, text, n);
    if (!strcmp(what, "kill"))
        kill(getpid(), SIGKILL);
    return !strcmp(what, "lost") ? -1 : !strcmp(what, "short") ? -2 : code_of(what);
}

/* `ret` is a call that returns -1 on failure. */
#define GUARD(call, path, lost_code, ret)                                                                              \
    do {                                                                                                               \
        int code_ = fault(call, path);                                                                                 \
        if (code_ > 0) {                                                                                               \
            errno = code_;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
        int got_ = (int)(ret);                                                                                         \
        if (code_ == -1 && got_ >= 0) {                                                                                \
            errno = lost_code;                                                                                         \
            return -1;                                                                                                 \
        }                                                                                                              \
        return got_;                                                                                                   \
    } while (0)

/* Reading is no change, but it may fail: "read" and "openr" are counted only when they are asked for. */
static int open_guarded(const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...) = REAL(open);
    int code = 0;
    if ((flags & O_ACCMODE) != O_RDONLY || (getenv("FAULT_CALLS") && !(flags & O_DIRECTORY)))
        code = fault((flags & O_ACCMODE) != O_RDONLY ? "open" : "openr", path);
    if (code > 0) {
        errno = code;
        return -1;
    }
    int fd = real(path, flags, mode);
    if (code == -1 && fd >= 0 && !(flags & O_EXCL)) {
        syscall(SYS_close, fd);
        errno = ESTALE;
        return -1;
    }
    return fd; /* an exclusive open whose answer was lost is repeated by NFS itself: it has a verifier */
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_guarded(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_guarded(path, flags, mode);
}

ssize_t write(int fd, const void *p, size_t n)
{
    char path[PATH_MAX];
    path_of(fd, path);
    int code = path[0] == '/' && fd > 2 ? fault("write", path) : 0;
    if (code > 0) {
        errno = code;
        return -1;
    }
    ssize_t got = REAL(write)(fd, p, code == -2 ? (n + 1) / 2 : n);
    if (code == -1) {
        errno = ESTALE;
        return -1;
    }
    return got;
}

ssize_t read(int fd, void *p, size_t n)
{
    char path[PATH_MAX];
    path_of(fd, path);
    int code = getenv("FAULT_CALLS") && path[0] == '/' && fd > 2 ? fault("read", path) : 0;
    if (code > 0) {
        errno = code;
        return -1;
    }
    return REAL(read)(fd, p, code == -2 && n > 1 ? n / 2 : n);
}

int fsync(int fd)
{
    char path[PATH_MAX];
    path_of(fd, path);
    GUARD("fsync", path, ESTALE, REAL(fsync)(fd));
}

int close(int fd)
{
    char path[PATH_MAX];
    path_of(fd, path);
    int flags = fcntl(fd, F_GETFL);
    int code = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && fd > 2 ? fault("close", path) : 0;
    int got = REAL(close)(fd);
    if (code > 0)
        errno = code;
    return code > 0 ? -1 : got;
}

int rename(const char *from, const char *to)
{
    GUARD("rename", to, ENOENT, REAL(rename)(from, to));
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    GUARD("renameat2", to, ENOENT, REAL(renameat2)(from_fd, from, to_fd, to, flags));
}

int link(const char *from, const char *to)
{
    GUARD("link", to, EEXIST, REAL(link)(from, to));
}

int mkdir(const char *path, mode_t mode)
{
    GUARD("mkdir", path, EEXIST, REAL(mkdir)(path, mode));
}

int unlink(const char *path)
{
    GUARD("unlink", path, ENOENT, REAL(unlink)(path));
}

int rmdir(const char *path)
{
    GUARD("rmdir", path, ENOENT, REAL(rmdir)(path));
}

static int is_request(const char *p, size_t n)
{
    static const char *const methods[] = {"GET /", "PUT /", "HEAD /", "POST /", "DELETE /"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        size_t len = strlen(methods[i]);
        if (n > len && !memcmp(p, methods[i], len))
            return 1;
    }
    return 0;
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    static int n_requests;
    const char *at = getenv("FAULT_REQUEST"), *what = getenv("FAULT_DO");
    int is_it = at && is_request(p, n) && ++n_requests == atoi(at);
    char text[256];

    if (!is_it)
        return REAL(send)(fd, p, n, flags);
    int len = snprintf(text, sizeof text, "fault: %.*s\n", (int)(strcspn(p, "\r") < 200 ? strcspn(p, "\r") : 200),
                       (const char *)p);
    syscall(SYS_write, 2, text, len);
    if (what && !strcmp(what, "sent"))
        REAL(send)(fd, p, n, flags);
    kill(getpid(), SIGKILL);
    return -1;
}
