#include "store/dir_age.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/hash.h"

/* The name is one that dir_tidy removes when we are killed here. */
static bool file_system_now(const char *folder, struct timespec *now, struct error *e)
{
    struct arena a = {0};
    uint8_t nonce[8];
    char hex[17];
    struct stat st;

    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    const char *path = fs_join(&a, folder, arena_printf(&a, ".clock.%s.new", hex));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    /* futimens without times asks an NFS server for its own now; a new file's time may still be the client's. */
    bool ok = (fd >= 0 && futimens(fd, NULL) == 0 && fstat(fd, &st) == 0) ||
              fail(e, ERR_STORE, "asking the file system for the time with %s: %s", path, strerror(errno));
    if (ok)
        *now = st.st_mtim;
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    arena_free(&a);
    return ok;
}

bool dir_file_age(const char *path, enum store_found *found, double *age_s, struct error *e)
{
    struct arena a = {0};
    struct timespec now;
    struct fs_stat st = {0};
    bool ok = fs_stat(path, true, &st, e);

    *found = ok && st.kind == FS_FILE ? STORE_PRESENT : STORE_ABSENT;
    if (*found == STORE_PRESENT) {
        ok = file_system_now(fs_dir(&a, path), &now, e);
        if (!ok && !fs_exists(path)) { /* removed meanwhile, and its folder with it */
            *found = STORE_ABSENT;
            ok = true;
        } else if (ok)
            *age_s = fmax(0, difftime(now.tv_sec, st.mtime.tv_sec) + 1e-9 * (double)(now.tv_nsec - st.mtime.tv_nsec));
    }
    arena_free(&a);
    return ok;
}
