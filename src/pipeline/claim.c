/* One job trains a version. In this workspace a lock on the folder of its checkpoints says so, which ends with the process;
 * everywhere else the lease in the store, which ends some minutes after its holder's last sign of life. */
#include "pipeline/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/stop.h"

#define HOLDER_FILE "holder" /* of the lease that a run in this folder took */
#define LOOK_EVERY_S 5.0

/* False: another process has the folder. Where there are no such locks nobody is kept out. */
static bool lock_folder(struct job *j)
{
    j->folder_lock = open(j->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return j->folder_lock < 0 || flock(j->folder_lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static const char *predecessor(const struct job *j)
{
    struct str text;
    struct error ignored;
    return fs_read_file(fs_join(j->arena, j->work_dir, HOLDER_FILE), 64, j->arena, &text, &ignored) ? text.p : "";
}

/* Only a lease that is renewed while we watch has a holder that lives. */
static bool take_lease(struct job *j, bool *taken, char who[CLAIM_WHO], struct error *e)
{
    struct training_lease_about about = {j->host->name, j->host->run_url, predecessor(j)};
    double left_before = -1;
    char left[32];

    for (*taken = false;;) {
        if (!training_lease_take(j->store, j->version.name, &about, TRAINING_LEASE_SECONDS, &j->lease, taken, who, e))
            return false;
        double now_left = j->lease.other_left_s;
        if (*taken || (left_before >= 0 && now_left > left_before))
            return true;
        if (left_before < 0) {
            clock_format_duration(now_left, left);
            log_notice("%s is being trained by %s: waiting, for %s at most, to see whether that job is alive", j->version.name, who,
                       left);
        }
        left_before = now_left;
        clock_sleep(now_left + 1 < LOOK_EVERY_S ? now_left + 1 : LOOK_EVERY_S);
        if (stop_requested())
            return fail(e, ERR_STOPPED, "stopped by a signal before training began; nothing was written");
    }
}

bool claim_take(struct job *j, bool *taken, char who[CLAIM_WHO], struct error *e)
{
    struct error unwritten;
    *taken = false;
    if (!lock_folder(j)) {
        memcpy(who, CLAIM_HERE, sizeof CLAIM_HERE);
        return true;
    }
    if (!take_lease(j, taken, who, e))
        return false;
    if (*taken && !fs_write_atomic(fs_join(j->arena, j->work_dir, HOLDER_FILE), str_of(j->lease.holder), &unwritten))
        log_debug("%s", unwritten.message); /* then a run after a crash waits */
    return true;
}

bool claim_folder(struct job *j, struct error *e)
{
    return lock_folder(j) || fail(e, ERR_CONFIG, "%s is being trained by " CLAIM_HERE ": wait for it", j->version.name);
}

void claim_release(struct job *j)
{
    if (j->lease.holder[0])
        training_lease_release(j->store, &j->lease);
    if (j->folder_lock >= 0)
        close(j->folder_lock);
    j->folder_lock = -1;
}
