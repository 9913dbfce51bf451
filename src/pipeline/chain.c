#include "pipeline/chain.h"

#include <inttypes.h>
#include <string.h>

#include "cloud/ci_api.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/stop.h"

/* What GitHub's jobs get by themselves, and apps; whoever acts with one is a bot and no user. */
#define INSTALLATION_TOKEN "ghs_"

static bool is_github(const struct job *j)
{
    return !strcmp(j->host->name, "github");
}

static const char *token_of(const struct job *j)
{
    return *j->config->token ? j->config->token : j->host->next.token;
}

static struct ci_api api_of(const struct job *j)
{
    return (struct ci_api){j->host->next.api_url, token_of(j), j->host->next.ca_file, j->host->getenv};
}

/* Has another job's API call started this one? If so, and there was no checkpoint to go on from, the next job would find
 * none either: the store forgets, or each job has another dataset. That must not go on for ever. */
static bool is_perhaps_chained(const struct job *j)
{
    const struct host_next *n = &j->host->next;
    bool is_surely_a_persons = n->is_person_started && str_starts(str_of(token_of(j)), INSTALLATION_TOKEN);
    return n->is_api_started && !is_surely_a_persons;
}

/* What is known before training begins. NULL = nothing speaks against a next job. */
static const char *why_never(const struct job *j)
{
    const struct host_next *n = &j->host->next;
    bool is_folder = str_starts(str_of(j->config->store), "file://");

    if (!*n->api_url)
        return arena_printf(j->arena, "%s has no way to start a job", j->host->is_act ? "act" : "this machine");
    if (*n->why_not)
        return n->why_not;
    if (is_folder && n->loses_disk)
        return arena_printf(j->arena, "%s is gone after this job, and the checkpoint with it: name a store that stays, such as "
                                      "s3://bucket/prefix", j->config->store);
    if (!*token_of(j))
        return is_github(j) ? "there is no token: give the input `token`, such as ${{ github.token }}, with `permissions: actions: write`"
                            : "there is no token: set RETRAIN_TOKEN to a pipeline trigger token";
    return NULL;
}

static const char *why_not_now(const struct job *j)
{
    if (j->steps <= j->steps_before)
        return "this job got no further, and another would not either: raise time-budget";
    if (j->n_jobs >= j->config->max_jobs)
        return arena_printf(j->arena, "this was job %d, and max-jobs is %d", j->n_jobs, j->config->max_jobs);
    if (j->n_jobs == 1 && is_perhaps_chained(j))
        return "this job, started by an API call, found no checkpoint, so one that it started might find none either; "
               "the next job, which goes on from here, may start others again";
    return NULL;
}

void chain_warn(const struct job *j)
{
    const char *why = j->config->continues ? why_never(j) : NULL;
    if (why)
        log_warning("continue: no next job will be started: %s", why);
}

static bool start(struct job *j, const char **url, struct error *e)
{
    const struct host_next *n = &j->host->next;
    const struct github_workflow w = {n->project, n->workflow, n->ref};
    const struct ci_api api = api_of(j);
    int64_t id = 0;

    log_mask(api.token);
    if (is_github(j) ? !github_dispatch(&api, &w, j->arena, &id, e) : !gitlab_trigger(&api, n->project, n->ref, j->arena, &id, e))
        return false;
    *url = id ? arena_printf(j->arena, "%s%" PRId64, n->runs_url, id) : n->runs_url;
    return true;
}

/* The headline ends with it. */
static const char *by_hand(struct job *j)
{
    static const char words[] = "run the job again and training goes on from there";
    const struct host_next *n = &j->host->next;

    if (!*n->by_hand || !*n->page)
        return words;
    j->next_url = n->page;
    return *n->command ? arena_printf(j->arena, "%s: %s at %s, or run `%s`", words, n->by_hand, n->page, n->command)
                       : arena_printf(j->arena, "%s: %s at %s", words, n->by_hand, n->page);
}

const char *chain_next(struct job *j)
{
    struct error e = {0};
    const char *url = "", *why = NULL;

    if (!j->config->continues || stop_requested()) /* who stops a job does not want another one */
        return by_hand(j);
    why = why_never(j);
    why = why ? why : why_not_now(j);
    if (!why && start(j, &url, &e)) {
        log_notice("go on: %s", url);
        j->next_url = url;
        return arena_printf(j->arena, "the next job goes on (job %d of at most %d): %s", j->n_jobs + 1, j->config->max_jobs, url);
    }
    why = why ? why : e.message;
    log_warning("continue: no next job was started: %s", why);
    return arena_printf(j->arena, "no next job was started, since %s. Nothing is lost: %s", why, by_hand(j));
}

bool chain_job_age(struct job *j, double *age_s)
{
    getenv_fn env = j->host->getenv;
    const char *run_id = env("GITHUB_RUN_ID"), *attempt = env("GITHUB_RUN_ATTEMPT"), *runner = env("RUNNER_NAME");
    struct error e = {0};

    if (!is_github(j) || !*j->host->next.api_url || !*token_of(j) || !run_id || !attempt || !runner || !*run_id || !*attempt || !*runner)
        return false;
    const struct ci_api api = api_of(j);
    const struct github_job job = {j->host->repository, run_id, attempt, runner};
    log_mask(api.token);
    bool ok = github_job_age(&api, &job, j->arena, age_s, &e);
    if (!ok)
        log_debug("the job's start is not told by the API: %s", e.message);
    return ok;
}
