/* When the job must be over: the user's budget, or the host's own limit where that comes first. */
#include "core/clock.h"
#include "core/log.h"
#include "pipeline/chain.h"
#include "pipeline/job.h"

/* Before the host's own limit: it kills without a word, and what it does itself at the end of a job counts too. */
#define BEFORE_HOST_LIMIT_S 60.0
/* A job that seems older than GitHub's longest one was not timed right. */
#define OLDEST_JOB_S (5 * 24 * 3600.0)
#define SKEW_TOLD_S 60.0

/* How long this job has been running: the host's API knows best, by its own clock; then its variables and files, by this
 * machine's clock, which may be wrong; the process itself is the least that it can be. */
static double spent_before(struct job *j)
{
    const struct host *h = j->host;
    double least = clock_seconds() - j->began, age;

    if (chain_job_age(j, &age))
        log_debug("this job began %.0f seconds ago, says the host's API", age);
    else if (h->has_job_start)
        age = difftime(clock_now(), h->job_started);
    else
        return least;
    double most = h->job_timeout_seconds > 0 ? h->job_timeout_seconds : OLDEST_JOB_S;
    if (age >= least && age < most)
        return age;
    if (age < least - SKEW_TOLD_S || age >= most)
        log_warning("the job's start as the host tells it (%.0f seconds ago) cannot be right: is this machine's clock wrong? "
                    "time-budget counts from the start of this program", age);
    return least;
}

void job_set_clock(struct job *j)
{
    const struct host *h = j->host;
    double spent = spent_before(j), length = j->config->time_budget;
    double limit = h->job_timeout_seconds - BEFORE_HOST_LIMIT_S;
    bool is_host_shorter = h->job_timeout_seconds > 0 && limit < length;
    char total[32], rest[32];

    if (is_host_shorter)
        length = limit > 0 ? limit : 0;
    double left = length > spent ? length - spent : 0;
    j->budget.length = length;
    j->budget.end = clock_seconds() + left;
    clock_format_duration(length, total);
    clock_format_duration(left, rest);
    log_info("time: %s of %s left%s", rest, total, is_host_shorter ? " (the job's own limit, less a reserve)" : "");
}
