/* GitHub Actions, and nektos/act, which sets the same variables and reads the same files a little more strictly: a
 * blank line between records is an error there, and a heredoc loses a leading empty line. */
#include <ctype.h>
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "host/host_private.h"

#define LIMIT_EVENT_BYTES (25u << 20)    /* GitHub's own ceiling for webhook payloads */
#define LIMIT_SUMMARY_BYTES (900u << 10) /* GitHub drops a summary over 1 MiB as a whole */
#define LIMIT_OUTPUT_BYTES (1u << 20)
#define HOSTED_JOB_SECONDS (6 * 3600.0) /* of GitHub's own runners; `timeout-minutes` can only lower it */

static bool is_here(getenv_fn env)
{
    return !strcmp(host_env(env, "GITHUB_ACTIONS"), "true");
}

/* The pull request's head lives in another repository: no secrets, no identity token. pull_request_target runs in the
 * base repository's name and has both. */
static bool is_fork(getenv_fn env, struct arena *a)
{
    const char *event = host_env(env, "GITHUB_EVENT_NAME");
    const char *path = host_env(env, "GITHUB_EVENT_PATH");
    struct str text;
    struct json *root = NULL;
    struct error e = {0};
    if (strncmp(event, "pull_request", 12) || !strcmp(event, "pull_request_target") || !*path)
        return false;
    if (!fs_read_file(path, LIMIT_EVENT_BYTES, a, &text, &e) || !json_parse(text, "event.json", &root, &e)) {
        log_debug("%s", e.message);
        return false;
    }
    const struct json *request = json_get(root, "pull_request");
    const struct json *head = json_get(json_get(request, "head"), "repo");
    const char *head_name = json_string(json_get(head, "full_name"), "");
    const char *base_name = json_string(json_get(json_get(json_get(request, "base"), "repo"), "full_name"), "");
    /* head.repo is null once the fork was deleted. */
    bool fork = request && *base_name && strcmp(head_name, base_name);
    json_free(root);
    return fork;
}

static void fill(getenv_fn env, struct arena *a, struct host *h)
{
    const char *workspace = host_env(env, "GITHUB_WORKSPACE"), *server = host_env(env, "GITHUB_SERVER_URL");
    const char *run = host_env(env, "GITHUB_RUN_ID"), *event = host_env(env, "GITHUB_EVENT_PATH");
    h->is_act = *host_env(env, "ACT") != '\0';
    if (*workspace)
        h->workspace = arena_strdup(a, workspace);
    h->repository = arena_strdup(a, host_env(env, "GITHUB_REPOSITORY"));
    h->commit = arena_strdup(a, host_env(env, "GITHUB_SHA"));
    h->ref = arena_strdup(a, host_env(env, "GITHUB_REF"));
    if (*server && *h->repository && *run && !h->is_act)
        h->run_url = arena_printf(a, "%s/%s/actions/runs/%s", server, h->repository, run);

    /* No variable tells when the job began. The runner writes event.json once, before the job's first step. */
    struct fs_stat st = {0};
    struct error e = {0};
    if (*event && !h->is_act && fs_stat(fs_dir(a, event), true, &st, &e) && st.kind == FS_DIR) {
        h->has_job_start = true;
        h->job_started = st.mtime.tv_sec;
    }
    if (!strcmp(host_env(env, "RUNNER_ENVIRONMENT"), "github-hosted") && !h->is_act)
        h->job_timeout_seconds = HOSTED_JOB_SECONDS;
    h->is_pull_request = str_starts(str_of(host_env(env, "GITHUB_EVENT_NAME")), "pull_request");
    h->is_fork_pull_request = is_fork(env, a);
    github_fill_next(env, a, h);
    h->log_commands = LOG_COMMANDS_GITHUB;
    h->debug = !strcmp(host_env(env, "RUNNER_DEBUG"), "1");
}

static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-')
            return false;
    }
    return true;
}

void github_outputs_text(const struct output *outputs, size_t n, const char *delimiter, struct str_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct output *o = &outputs[i];
        if (!is_name(o->name) || strstr(o->name, delimiter) || strstr(o->value, delimiter)) {
            log_warning("output '%s' is not set: its name or value cannot be written safely", o->name);
            continue;
        }
        /* No line at all for an empty value: act takes blank lines for a broken file. */
        str_buf_printf(out, "%s<<%s\n%s%s%s\n", o->name, delimiter, o->value, *o->value ? "\n" : "", delimiter);
    }
}

/* act refuses blank lines, so a file that another program left without its final newline gets one, but never two. */
static bool append_record(const char *path, struct str text, struct error *e)
{
    struct arena a = {0};
    struct str old = {0};
    struct error ignored = {0};
    bool is_cut = fs_read_file(path, LIMIT_OUTPUT_BYTES, &a, &old, &ignored) && old.n && old.p[old.n - 1] != '\n';
    struct str_buf whole = STR_BUF(2u << 20);
    if (is_cut)
        str_buf_addc(&whole, '\n');
    str_buf_add(&whole, text);
    bool ok = fs_append(path, str_buf_view(&whole), e);
    str_buf_free(&whole);
    arena_free(&a);
    return ok;
}

static void set_outputs(const struct host *h, const struct output *outputs, size_t n)
{
    const char *path = host_env(h->getenv, "GITHUB_OUTPUT");
    if (!*path)
        return;
    uint8_t noise[16];
    char delimiter[8 + 2 * sizeof noise + 1] = "retrain_";
    random_bytes(noise, sizeof noise);
    hex_encode(noise, sizeof noise, delimiter + 8);

    struct str_buf text = STR_BUF(LIMIT_OUTPUT_BYTES);
    struct error e = {0};
    github_outputs_text(outputs, n, delimiter, &text);
    if (text.overflow)
        log_warning("the outputs are larger than 1 MB and were not set");
    else if (text.n && !append_record(path, str_buf_view(&text), &e))
        log_warning("the step's outputs could not be set: %s", e.message);
    str_buf_free(&text);
}

static void add_summary(const struct host *h, struct str markdown)
{
    static const char cut_note[] = "\n\n*The summary was cut here: GitHub shows at most 1 MiB.*\n";
    const char *path = host_env(h->getenv, "GITHUB_STEP_SUMMARY");
    if (!*path || !markdown.n)
        return;
    struct str_buf text = STR_BUF(LIMIT_SUMMARY_BYTES + 4096);
    struct error e = {0};
    bool is_cut = markdown.n > LIMIT_SUMMARY_BYTES;
    if (is_cut) { /* at the end of a line, so that no UTF-8 sequence or table row is torn */
        markdown = str_slice(markdown, 0, LIMIT_SUMMARY_BYTES);
        while (markdown.n && markdown.p[markdown.n - 1] != '\n')
            markdown.n--;
    }
    str_buf_add(&text, markdown);
    if (is_cut)
        str_buf_adds(&text, cut_note);
    else if (markdown.p[markdown.n - 1] != '\n')
        str_buf_addc(&text, '\n');
    if (!fs_append(path, str_buf_view(&text), &e))
        log_warning("the step's summary could not be written: %s", e.message);
    str_buf_free(&text);
}

const struct host_kind host_github = {"github", is_here, fill, set_outputs, add_summary};
