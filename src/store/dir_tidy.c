#include "store/dir_tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"

#define DEPTH_MAX 4 /* versions/<version>/<hash>/<file> */

/* ".tmp-<random>" by core/fs, ".<name>.<random>.new" by dir.c. */
static bool is_temporary(struct str name)
{
    return str_starts(name, ".tmp-") || (str_starts(name, ".") && str_ends(name, ".new"));
}

/* Takes the descriptor over. */
static void tidy(int fd, time_t before, int depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(d));) {
        struct str name = str_of(entry->d_name);
        struct stat st;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (S_ISREG(st.st_mode) && is_temporary(name) && st.st_mtime < before)
            unlinkat(fd, entry->d_name, 0);
        if (S_ISDIR(st.st_mode) && !str_starts(name, ".") && depth < DEPTH_MAX) {
            int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0)
                tidy(below, before, depth + 1);
        }
    }
    closedir(d);
}

void dir_tidy(const char *folder, double age_s)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        tidy(fd, clock_now() - (time_t)age_s, 0);
}
