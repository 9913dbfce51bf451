/* The run that would go on after this one, as GitHub's API wants it named: a workflow file and a branch or tag. */
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "host/host_private.h"

#define LIMIT_EVENT_BYTES (25u << 20)
#define WORKFLOWS "/.github/workflows/"

/* GITHUB_WORKFLOW_REF is "owner/name/.github/workflows/train.yml@refs/heads/main": of the workflow that was started, also
 * in a reusable one. Another repository's is one that an organisation's rule requires: it cannot be started here. */
static const char *workflow_file(const char *workflow_ref, const char *repository, struct arena *a)
{
    size_t n = strlen(repository);
    const char *at = strstr(workflow_ref, "@refs/");

    if (!n || strncmp(workflow_ref, repository, n) || strncmp(workflow_ref + n, WORKFLOWS, strlen(WORKFLOWS)) || !at)
        return "";
    const char *file = workflow_ref + n + strlen(WORKFLOWS);
    return file < at && !memchr(file, '/', (size_t)(at - file)) ? arena_strndup(a, file, (size_t)(at - file)) : "";
}

static bool is_branch_or_tag(const char *ref)
{
    return (!strncmp(ref, "refs/heads/", 11) && ref[11]) || (!strncmp(ref, "refs/tags/", 10) && ref[10]);
}

/* The event's sender; "" when unknown. */
static bool is_sent_by_user(getenv_fn env, struct arena *a)
{
    struct str text;
    struct json *root = NULL;
    struct error ignored;
    const char *path = host_env(env, "GITHUB_EVENT_PATH");

    if (!*path || !fs_read_file(path, LIMIT_EVENT_BYTES, a, &text, &ignored) || !json_parse(text, "event.json", &root, &ignored))
        return false;
    bool is_user = !strcmp(json_string(json_get(json_get(root, "sender"), "type"), ""), "User");
    json_free(root);
    return is_user;
}

static const char *why_not(const struct host *h, const struct host_next *n, struct arena *a)
{
    if (!strncmp(h->ref, "refs/pull/", 10))
        return arena_printf(a, "GitHub starts no workflow on a pull request's own ref (%s)", h->ref);
    if (!is_branch_or_tag(h->ref))
        return "this run is on no branch and no tag";
    if (!*n->workflow)
        return "this run's workflow file is not in this repository";
    return "";
}

static void fill_by_hand(const struct host *h, const char *server, struct arena *a, struct host_next *n)
{
    if (*n->why_not) {
        n->by_hand = *h->run_url ? "press \"Re-run jobs\"" : "";
        n->page = h->run_url;
        return;
    }
    const char *ref_name = strchr(h->ref + strlen("refs/"), '/') + 1;
    n->by_hand = "press \"Run workflow\"";
    n->page = arena_printf(a, "%s/%s/actions/workflows/%s", server, h->repository, n->workflow);
    if (host_is_plain_name(n->workflow) && host_is_plain_name(ref_name))
        n->command = arena_printf(a, "gh workflow run %s --ref %s", n->workflow, ref_name);
}

void github_fill_next(getenv_fn env, struct arena *a, struct host *h)
{
    struct host_next *n = &h->next;
    const char *api = host_env(env, "GITHUB_API_URL"), *server = host_env(env, "GITHUB_SERVER_URL");

    if (h->is_act)
        return;
    n->api_url = *api ? arena_strdup(a, api) : "https://api.github.com";
    n->project = h->repository;
    n->workflow = workflow_file(host_env(env, "GITHUB_WORKFLOW_REF"), h->repository, a);
    n->ref = h->ref;
    n->why_not = why_not(h, n, a);
    fill_by_hand(h, server, a, n);
    n->runs_url = arena_printf(a, "%s/%s/actions/runs/", server, h->repository);
    n->token = host_env(env, "GITHUB_TOKEN");
    n->token_name = "GITHUB_TOKEN";
    n->is_api_started = !strcmp(host_env(env, "GITHUB_EVENT_NAME"), "workflow_dispatch");
    n->is_person_started = n->is_api_started && is_sent_by_user(env, a);
    n->loses_disk = !strcmp(host_env(env, "RUNNER_ENVIRONMENT"), "github-hosted");
}
