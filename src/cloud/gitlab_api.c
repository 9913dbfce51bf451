/* GitLab's API: https://docs.gitlab.com/api/pipeline_triggers/. */
#include <string.h>

#include "cloud/ci_call.h"
#include "cloud/sigv4.h"

static const char *trigger_cure(int status)
{
    switch (status) {
    case 400:
        return "`workflow: rules` and the job's `rules` must let pipelines run whose CI_PIPELINE_SOURCE is `trigger` (with a "
               "trigger token) or `pipeline` (with CI_JOB_TOKEN), and the branch must still be there";
    case 401:
    case 403:
        return "whoever owns the trigger token, or with CI_JOB_TOKEN who started this job, must be allowed to run pipelines on "
               "this branch";
    case 404:
        return "the token is none of this project: RETRAIN_TOKEN takes a pipeline trigger token (Settings > CI/CD > Pipeline "
               "trigger tokens), not an access token";
    default:
        return "";
    }
}

bool gitlab_trigger(const struct ci_api *api, const char *project, const char *ref, struct arena *a, int64_t *pipeline_id,
                    struct error *e)
{
    struct ci_call c = {.api = api, .method = "POST"};
    struct json *body = json_new_object(), *root = NULL;
    struct error ignored;

    *pipeline_id = 0;
    c.path = arena_printf(a, "/projects/%s/trigger/pipeline", sigv4_encode(str_of(project), false, a));
    json_set(body, "token", json_new_string(api->token));
    json_set(body, "ref", json_new_string(ref));
    c.body = body;
    bool ok = ci_call(&c, a, e);
    json_free(body);
    if (!ok)
        return false;
    if (c.reply.status / 100 != 2)
        return ci_refused(&c, "GitLab", trigger_cure(c.reply.status), e);
    if (json_parse(c.reply.body, "reply", &root, &ignored)) {
        if (!json_int64(json_get(root, "id"), pipeline_id) || *pipeline_id < 0)
            *pipeline_id = 0;
        json_free(root);
    }
    return true;
}
