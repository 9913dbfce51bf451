/* Where we run: GitHub Actions (and act), GitLab CI, or a plain machine. The environment is passed in. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <time.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/log.h"
#include "core/str.h"

typedef const char *(*getenv_fn)(const char *name);

struct output {
    const char *name;  /* "model-key" */
    const char *value; /* any bytes; the host escapes or refuses them */
};

/* The job that would go on after this one. Never NULL: "" when unknown or not to be had. */
struct host_next {
    const char *api_url;  /* of the host's API; "" = there is none (act, a plain machine) */
    const char *project;  /* GitHub: "owner/name"; GitLab: the project's number */
    const char *workflow; /* GitHub: the file's name in .github/workflows */
    const char *ref;      /* what to start it on, as the API wants it */
    const char *why_not;  /* "" = the API can start it; else the sentence that says why not */
    const char *by_hand;  /* what a person does instead, at `page`: "press ..." */
    const char *page;
    const char *command;  /* or runs: "gh workflow run train.yml --ref main"; "" = names that do not belong into a shell */
    const char *runs_url; /* with a run's number behind it the page of that run */
    const char *token, *token_name; /* the job's own, and the variable that it is in; secret */
    const char *ca_file;            /* of the API's server */
    bool is_api_started;            /* an API call has started this job: a person's, a program's or another job's */
    bool is_person_started;         /* and its sender is known to be a user, not a bot */
    bool loses_disk;                /* whatever this machine's disk holds is gone after the job */
};

struct host {
    const char *name;      /* "github", "gitlab", "local": what the manifest says */
    bool is_act;           /* GitHub's variables, but nektos/act */
    const char *workspace; /* absolute */
    const char *repository, *commit, *ref, *run_url; /* "" when unknown */
    bool has_job_start;    /* job_started is known (GitLab: CI_JOB_STARTED_AT; GitHub: mtime of the workflow folder) */
    time_t job_started;
    double job_timeout_seconds; /* 0 = unknown; GitHub's own runners: six hours, which no setting raises */
    bool is_pull_request;       /* or a merge request: what runs is no state of the branch yet */
    bool is_fork_pull_request;  /* no secrets and no identity to be had */
    struct host_next next;
    enum log_commands log_commands;
    bool debug;                 /* RUNNER_DEBUG=1, CI_DEBUG_TRACE=true */
    getenv_fn getenv;
};

/* Never fails: unknown surroundings are "local". `cwd` is the working directory. Strings live in the arena. */
void host_detect(getenv_fn env, const char *cwd, struct arena *a, struct host *out);

/* Sets the step's outputs: GITHUB_OUTPUT (random-delimiter heredoc), GitLab's retrain.env dotenv file (RETRAIN_ names)
 * in the workspace; nothing on a plain machine. A missing or unwritable file is a warning, not a failure. */
void host_set_outputs(const struct host *h, const struct output *outputs, size_t n);

/* Appends the Markdown to GITHUB_STEP_SUMMARY (at most 900 KiB, cut with a note), and nothing elsewhere. */
void host_add_summary(const struct host *h, struct str markdown);

#endif
