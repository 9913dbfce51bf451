/* The pipeline that would go on after this one, as GitLab's API wants it named: a project and a branch or tag. */
#include <string.h>

#include "host/host_private.h"

void gitlab_fill_next(getenv_fn env, struct arena *a, struct host *h)
{
    struct host_next *n = &h->next;
    const char *branch = host_env(env, "CI_COMMIT_BRANCH"), *tag = host_env(env, "CI_COMMIT_TAG");
    const char *page = host_env(env, "CI_PROJECT_URL"), *source = host_env(env, "CI_PIPELINE_SOURCE");

    n->api_url = arena_strdup(a, host_env(env, "CI_API_V4_URL"));
    n->project = arena_strdup(a, host_env(env, "CI_PROJECT_ID"));
    n->ref = arena_strdup(a, *branch ? branch : tag);
    n->why_not = *n->ref ? "" : "GitLab starts no pipeline on a merge request's own ref";
    n->runs_url = arena_printf(a, "%s/-/pipelines/", page);
    n->by_hand = *n->ref ? "press \"New pipeline\"" : "press \"Retry\"";
    n->page = !*n->ref                     ? h->run_url
              : host_is_plain_name(n->ref) ? arena_printf(a, "%snew?ref=%s", n->runs_url, n->ref)
                                           : arena_printf(a, "%snew", n->runs_url);
    n->token = host_env(env, "CI_JOB_TOKEN");
    n->token_name = "CI_JOB_TOKEN";
    n->ca_file = arena_strdup(a, host_env(env, "CI_SERVER_TLS_CA_FILE"));
    /* "trigger": with a trigger token; "pipeline": with a job's token. */
    n->is_api_started = !strcmp(source, "trigger") || !strcmp(source, "pipeline");
}
