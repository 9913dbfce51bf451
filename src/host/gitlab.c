/* GitLab CI. Outputs are the dotenv report `retrain.env`, whose grammar knows neither quotes nor blanks nor newlines,
 * and no hyphens in names. */
#include <ctype.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "host/host_private.h"

#define LIMIT_DOTENV_BYTES 5120

static bool is_here(getenv_fn env)
{
    return !strcmp(host_env(env, "GITLAB_CI"), "true");
}

static void fill(getenv_fn env, struct arena *a, struct host *h)
{
    const char *workspace = host_env(env, "CI_PROJECT_DIR"),
               *source = host_env(env, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
    const char *target = host_env(env, "CI_MERGE_REQUEST_PROJECT_ID"), *project = host_env(env, "CI_PROJECT_ID");
    if (*workspace)
        h->workspace = arena_strdup(a, workspace);
    h->repository = arena_strdup(a, host_env(env, "CI_PROJECT_PATH"));
    h->commit = arena_strdup(a, host_env(env, "CI_COMMIT_SHA"));
    h->ref = arena_strdup(a, host_env(env, "CI_COMMIT_REF_NAME"));
    h->run_url = arena_strdup(a, host_env(env, "CI_JOB_URL"));
    h->has_job_start = clock_parse_rfc3339(str_of(host_env(env, "CI_JOB_STARTED_AT")), &h->job_started);
    if (!str_to_double(str_of(host_env(env, "CI_JOB_TIMEOUT")), &h->job_timeout_seconds) || h->job_timeout_seconds < 0)
        h->job_timeout_seconds = 0;
    h->is_pull_request = *host_env(env, "CI_MERGE_REQUEST_IID") != '\0';
    /* A fork's merge request runs in the fork, whose protected variables are not ours, unless a member started it
     * here. */
    h->is_fork_pull_request = *source && *target && strcmp(source, target) && !strcmp(project, source);
    gitlab_fill_next(env, a, h);
    h->log_commands = LOG_COMMANDS_GITLAB;
    h->debug = !strcmp(host_env(env, "CI_DEBUG_TRACE"), "true");
}

/* "model-key" -> "RETRAIN_MODEL_KEY"; a character that has no place in a dotenv key becomes '_'. */
static void add_key(struct str_buf *out, const char *name)
{
    str_buf_adds(out, "RETRAIN_");
    for (; *name; name++)
        str_buf_addc(out, isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_');
}

static bool is_plain(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (*p <= ' ' || *p == 0x7f)
            return false;
    }
    return true;
}

void gitlab_outputs_text(const struct output *outputs, size_t n, struct str_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct output *o = &outputs[i];
        if (!is_plain(o->value)) {
            log_warning(
                "output '%s' is not set: GitLab's dotenv format has no room for blanks or line breaks in a value",
                o->name);
            continue;
        }
        struct str_buf line = STR_BUF(LIMIT_DOTENV_BYTES);
        add_key(&line, o->name);
        str_buf_printf(&line, "=%s\n", o->value);
        if (line.overflow || out->n + line.n > LIMIT_DOTENV_BYTES)
            log_warning("output '%s' is not set: GitLab reads at most 5 KB of variables", o->name);
        else
            str_buf_add(out, str_buf_view(&line));
        str_buf_free(&line);
    }
}

static void set_outputs(const struct host *h, const struct output *outputs, size_t n)
{
    struct arena a = {0};
    struct str_buf text = STR_BUF(LIMIT_DOTENV_BYTES);
    struct error e = {0};
    gitlab_outputs_text(outputs, n, &text);
    if (!fs_write_atomic(fs_join(&a, h->workspace, "retrain.env"), str_buf_view(&text), &e))
        log_warning("the job's variables could not be written: %s", e.message);
    str_buf_free(&text);
    arena_free(&a);
}

static void add_summary(const struct host *h, struct str markdown)
{
    (void)h, (void)markdown; /* GitLab has no summary page; retrain-report/summary.md is an artifact */
}

const struct host_kind host_gitlab = {"gitlab", is_here, fill, set_outputs, add_summary};
