#include "store/dir_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/arena.h"
#include "core/hash.h"
#include "core/stop.h"

#define LOCK_NAME ".lock"
#define HALF_S 2.0
#define READ_TRIES 3

/* One line that names the holder: boot id and a nonce for us, host and process for a person who finds the file. */
static void describe_holder(char *content, size_t n)
{
    char host[48] = "", boot[40] = "-";
    uint8_t nonce[8];
    char hex[17];

    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f) {
        if (fscanf(f, "%36s", boot) != 1)
            boot[0] = '-', boot[1] = 0;
        fclose(f);
    }
    if (gethostname(host, sizeof host - 1))
        host[0] = 0;
    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    snprintf(content, n, "%s %s host %s process %ld\n", boot, hex, host, (long)getpid());
}

static bool read_lock(const char *path, char *content, size_t n)
{
    for (int i = 0; i < READ_TRIES; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t got = fd < 0 ? -1 : read(fd, content, n - 1);
        int code = errno;
        if (fd >= 0)
            close(fd);
        if (got >= 0) {
            content[got] = 0;
            return true;
        }
        if (code != EINTR && code != ESTALE) /* ESTALE: another machine has just replaced it */
            return false;
    }
    return false;
}

static bool write_lock(int fd, const char *content)
{
    size_t n = strlen(content);
    while (n > 0) {
        ssize_t wrote = write(fd, content, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        content += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

static bool make_lock(const struct dir_lock *l, bool *taken, struct error *e)
{
    *taken = false;
    int fd = open(l->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        return true;
    if (fd < 0)
        return fail(e, ERR_STORE, "%s: cannot make the lock: %s", l->path, strerror(errno));
    bool ok = write_lock(fd, l->content);
    int why = errno;
    if (close(fd) && errno != EINTR && ok) {
        why = errno;
        ok = false;
    }
    if (!ok) {
        unlink(l->path);
        return fail(e, ERR_STORE, "%s: cannot write the lock: %s", l->path, strerror(why));
    }
    *taken = true;
    return true;
}

static bool give_up(const char *where, const char *holder, double start, struct error *e)
{
    if (stop_requested())
        return fail(e, ERR_STOPPED, "stopped while waiting for another run that publishes to %s", where);
    if (clock_seconds() - start > DIR_LOCK_WAIT_S)
        return fail(e, ERR_STORE, "%s: held by others for %.0f seconds%s%s: remove it if nobody is publishing", where,
                    DIR_LOCK_WAIT_S, holder[0] ? ", last: " : "", holder);
    return true;
}

/* Removes a lock whose holder is gone. Two waiters may both have judged `seen` stale: the rename decides, and who
 * finds that it took a fresh lock instead puts it back. */
static void break_lock(const struct dir_lock *l, const char *seen)
{
    struct arena a = {0};
    char now[sizeof l->content];
    char hex[17];
    uint8_t nonce[8];

    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    const char *aside = arena_printf(&a, "%s-stale-%s", l->path, hex);
    if (rename(l->path, aside) == 0) {
        /* link() refuses when yet another holder has come in between: then both compare afterwards. */
        if (read_lock(aside, now, sizeof now) && strcmp(now, seen) && link(aside, l->path))
            errno = 0;
        unlink(aside);
    }
    arena_free(&a);
}

/* Every holder under one kernel holds flock too; so if we have flock, a holder of our boot id is no more. */
static bool holder_is_dead(const struct dir_lock *l, const char *seen, bool have_flock)
{
    size_t n = strcspn(l->content, " ");
    return have_flock && n > 1 && strncmp(l->content, seen, n + 1) == 0;
}

static bool wait_for_flock(struct dir_lock *l, const char *folder, double start, bool *have, struct error *e)
{
    *have = false;
    l->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->folder_fd < 0)
        return fail(e, ERR_STORE, "open %s: %s", folder, strerror(errno));
    while (flock(l->folder_fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return true; /* this file system has no flock: the O_EXCL file alone decides */
        if (!give_up(l->path, "", start, e))
            return false;
        usleep(2000);
    }
    *have = true;
    return true;
}

static void let_go(struct dir_lock *l)
{
    if (l->folder_fd >= 0)
        close(l->folder_fd);
    mem_free(l->path);
    *l = (struct dir_lock){.folder_fd = -1};
}

bool dir_lock_take(struct dir_lock *l, const char *folder, double stale_s, struct error *e)
{
    char seen[sizeof l->content] = "none yet", now[sizeof l->content];
    double start = clock_seconds(), seen_since = start;
    bool taken = false, have_flock, ok;

    *l = (struct dir_lock){.folder_fd = -1};
    size_t n = strlen(folder) + sizeof "/" LOCK_NAME;
    l->path = mem_alloc(n);
    snprintf(l->path, n, "%s/%s", folder, LOCK_NAME);
    describe_holder(l->content, sizeof l->content);
    ok = wait_for_flock(l, folder, start, &have_flock, e);

    while (ok && (ok = make_lock(l, &taken, e)) && !taken) {
        double t = clock_seconds();
        if (!read_lock(l->path, now, sizeof now))
            continue; /* released this moment */
        if (strcmp(now, seen)) {
            memcpy(seen, now, sizeof seen);
            seen_since = t;
        }
        /* Killed between making and writing it: a living one needs no second for that, and would find out. */
        bool is_half = !seen[0] && t - seen_since > HALF_S;
        if (holder_is_dead(l, seen, have_flock) || is_half || t - seen_since > stale_s)
            break_lock(l, seen);
        else if ((ok = give_up(l->path, seen, start, e)))
            usleep(5000);
    }
    l->since = clock_seconds();
    if (!ok)
        let_go(l);
    return ok;
}

/* A waiter may have judged us dead while we were suspended. */
static bool is_ours(const struct dir_lock *l)
{
    char now[sizeof l->content];
    if (!l->path || (!read_lock(l->path, now, sizeof now) && !read_lock(l->path, now, sizeof now)))
        return false; /* not after one failure: a lock that we leave holds others up */
    return strcmp(now, l->content) == 0;
}

bool dir_lock_keep(struct dir_lock *l, double stale_s, bool *held, struct error *e)
{
    *held = is_ours(l);
    if (!*held || clock_seconds() - l->since < stale_s / 4)
        return true;
    describe_holder(l->content, sizeof l->content); /* as long as before: who reads meanwhile sees a change, no more */
    int fd = open(l->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && write_lock(fd, l->content);
    if (!ok)
        fail(e, ERR_STORE, "%s: cannot renew the lock: %s", l->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    l->since = clock_seconds();
    return ok;
}

void dir_lock_release(struct dir_lock *l)
{
    if (is_ours(l))
        unlink(l->path);
    let_go(l);
}
