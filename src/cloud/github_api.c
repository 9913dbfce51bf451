/* GitHub's API: https://docs.github.com/rest/actions/workflows and .../workflow-jobs. */
#include <string.h>

#include "cloud/ci_call.h"
#include "cloud/sigv4.h"
#include "core/clock.h"

static const char *encode(const char *text, struct arena *a)
{
    return sigv4_encode(str_of(text), false, a);
}

static const char *repository_path(const char *repository, struct arena *a)
{
    return arena_printf(a, "/repos/%s", sigv4_encode(str_of(repository), true, a));
}

static bool says(const struct ci_call *c, const char *words)
{
    return strcasestr(c->said, words) != NULL;
}

static const char *dispatch_cure(const struct ci_call *c, const struct github_workflow *w, struct arena *a)
{
    switch (c->reply.status) {
    case 401:
        return "the token is wrong or expired: leave the input `token` out, and the job's own is taken";
    case 403:
        if (says(c, "rate limit"))
            return "too many requests were made with this token in the last hour";
        return "the token may not start workflows: give the job `permissions: actions: write` (a token of your own: the "
               "repository permission Actions, read and write)";
    case 404:
        return arena_printf(a, "%s is not on the repository's default branch, or the token may not see it: give the job "
                               "`permissions: actions: write`", w->file);
    case 422:
        if (says(c, "workflow_dispatch"))
            return arena_printf(a, "add `workflow_dispatch:` to `on:` in %s", w->file);
        if (says(c, "no ref"))
            return arena_printf(a, "is %s gone by now?", w->ref);
        if (says(c, "input"))
            return arena_printf(a, "give the required inputs of `workflow_dispatch` in %s a default", w->file);
        return says(c, "disabled") ? "enable the workflow on its page" : "";
    default:
        return "";
    }
}

static bool dispatch(struct ci_call *c, const struct github_workflow *w, bool wants_details, struct arena *a, struct error *e)
{
    struct json *body = json_new_object();

    json_set(body, "ref", json_new_string(w->ref));
    if (wants_details)
        json_set(body, "return_run_details", json_new_bool(true));
    c->body = body;
    bool ok = ci_call(c, a, e);
    c->body = NULL;
    json_free(body);
    return ok;
}

bool github_dispatch(const struct ci_api *api, const struct github_workflow *w, struct arena *a, int64_t *run_id,
                     struct error *e)
{
    struct ci_call c = {.api = api, .method = "POST", .has_bearer = true};
    struct json *root = NULL;
    struct error ignored;

    *run_id = 0;
    c.path = arena_printf(a, "%s/actions/workflows/%s/dispatches", repository_path(w->repository, a), encode(w->file, a));
    if (!dispatch(&c, w, true, a, e))
        return false;
    /* Servers that do not know the wish yet refuse it by its name. */
    if ((c.reply.status == 400 || c.reply.status == 422) && says(&c, "return_run_details") && !dispatch(&c, w, false, a, e))
        return false;
    if (c.reply.status / 100 != 2)
        return ci_refused(&c, "GitHub", dispatch_cure(&c, w, a), e);
    if (c.reply.body.n && json_parse(c.reply.body, "reply", &root, &ignored)) {
        if (!json_int64(json_get(root, "workflow_run_id"), run_id) || *run_id < 0)
            *run_id = 0;
        json_free(root);
    }
    return true;
}

/* Of jobs on runners of one name (a runner has one job at a time) the one that runs. */
static bool find_start(const struct json *jobs, const char *runner_name, time_t *started)
{
    for (size_t i = 0; i < json_len(jobs); i++) {
        const struct json *job = json_at(jobs, i);
        if (!strcmp(json_string(json_get(job, "status"), ""), "in_progress") &&
            !strcmp(json_string(json_get(job, "runner_name"), ""), runner_name))
            return clock_parse_rfc3339(str_of(json_string(json_get(job, "started_at"), "")), started);
    }
    return false;
}

bool github_job_age(const struct ci_api *api, const struct github_job *job, struct arena *a, double *age_s, struct error *e)
{
    struct ci_call c = {.api = api, .method = "GET", .has_bearer = true, .is_hasty = true};
    struct json *root = NULL;
    time_t started = 0, now = 0;

    c.path = arena_printf(a, "%s/actions/runs/%s/attempts/%s/jobs?per_page=100", repository_path(job->repository, a),
                          encode(job->run_id, a), encode(job->attempt, a));
    if (!ci_call(&c, a, e))
        return false;
    if (c.reply.status != 200)
        return ci_refused(&c, "GitHub", c.reply.status == 403 || c.reply.status == 404 ? "the job lacks `permissions: actions: read`" : "",
                          e);
    if (!json_parse(c.reply.body, "GitHub's list of jobs", &root, e))
        return false;
    bool ok = find_start(json_get(root, "jobs"), job->runner_name, &started);
    json_free(root);
    if (!ok)
        return fail(e, ERR_CONFIG, "GitHub's list of jobs has none that runs on %.100s", job->runner_name);
    if (!clock_parse_http(http_header(&c.reply, "Date"), &now))
        return fail(e, ERR_CONFIG, "GitHub's reply has no Date");
    *age_s = difftime(now, started);
    return true;
}
