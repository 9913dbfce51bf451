/* When the job must be over: the user's budget, or the host's own limit where that comes first. */
#include "core/clock.h"
#include "core/log.h"
#include "pipeline/job.h"

/* Before the host's own limit: it kills without a word, and what it does itself at the end of a job counts too. */
#define BEFORE_HOST_LIMIT_S 60.0
/* A job that seems older than GitHub's longest one was not timed right: fall back to the process's own start. */
#define OLDEST_JOB_S (5 * 24 * 3600.0)

static double spent_before(const struct job *j)
{
    const struct host *h = j->host;
    double age = h->has_job_start ? difftime(clock_now(), h->job_started) : -1;
    return age >= 0 && age < OLDEST_JOB_S ? age : clock_seconds() - j->began;
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
