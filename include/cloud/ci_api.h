/* What a CI host's own API is asked for: to start the next job, and when this one began. No run depends on an answer.
 *
 * A redirect is never followed (the token would go along), and what a server says is shown without the token, should it
 * repeat it. Errors: ERR_NET (no answer), ERR_CONFIG (refused: the message names the permission, the setting or the line
 * of the workflow that is missing), ERR_STOPPED. */
#ifndef CLOUD_CI_API_H
#define CLOUD_CI_API_H

#include <time.h>

#include "cloud/http.h"

struct ci_api {
    const char *url;       /* "https://api.github.com", "https://gitlab.example.com/api/v4" */
    const char *token;     /* secret */
    const char *ca_file;   /* of a server with an authority of its own; "" = the system's */
    http_getenv_fn getenv;
};

struct github_workflow {
    const char *repository; /* "owner/name" */
    const char *file;       /* "train.yml", of .github/workflows */
    const char *ref;        /* "refs/heads/main" or "refs/tags/v1" */
};
/* POST /repos/{repository}/actions/workflows/{file}/dispatches, without inputs. *run_id: 0 where the server does not tell
 * it (GitHub Enterprise Server up to 3.20). */
MUST_CHECK bool github_dispatch(const struct ci_api *api, const struct github_workflow *w, struct arena *a, int64_t *run_id,
                                struct error *e);

struct github_job {
    const char *repository, *run_id, *attempt;
    const char *runner_name; /* RUNNER_NAME: which of the run's jobs this is */
};
/* GET /repos/{repository}/actions/runs/{run_id}/attempts/{attempt}/jobs: how many seconds ago this job began, by the
 * server's clock. One try of two seconds. */
MUST_CHECK bool github_job_age(const struct ci_api *api, const struct github_job *job, struct arena *a, double *age_s,
                               struct error *e);

/* POST /projects/{project}/trigger/pipeline, without variables. ref: a branch or a tag. token: a pipeline trigger token or
 * CI_JOB_TOKEN. */
MUST_CHECK bool gitlab_trigger(const struct ci_api *api, const char *project, const char *ref, struct arena *a,
                               int64_t *pipeline_id, struct error *e);

#endif
