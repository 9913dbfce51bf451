#include "command/command.h"

#include <string.h>

#include "command/commands.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/publish_model.h"
#include "pipeline/run.h"

typedef bool (*command_fn)(struct job *j, struct error *e);

static const struct {
    const char *name;
    command_fn fn;
} commands[] = {
#define COMMAND_ENTRY(name, arguments, least, most, help) {#name, cmd_##name},
    CONFIG_COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

bool cmd_run(struct job *j, struct error *e)
{
    return pipeline_run(j, e);
}

static command_fn command_of(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!strcmp(commands[i].name, name))
            return commands[i].fn;
    }
    BUG("command %s has no function", name);
}

static void configure_log(const struct host *h, const struct config *c)
{
    log_configure(&(struct log_options){
        .format = c && !strcmp(c->log_format, "json") ? LOG_JSON : LOG_TEXT,
        .commands = h->log_commands,
        .least = h->debug ? LOG_DEBUG : LOG_INFO,
        .fd = 2,
    });
}

/* The commands whose end a workflow looks at; the others print their result. A failure is always told. */
static bool has_outputs(const char *command)
{
    return !strcmp(command, "run") || !strcmp(command, "plan") || !strcmp(command, "check") || !strcmp(command, "pull") ||
           !strcmp(command, "rollback");
}

/* Every path ends here, so that the outputs of a failed run are as complete as what is known by then. */
static void conclude(struct job *j, bool ok, const struct error *e)
{
    const struct config *c = j->config;
    bool is_run = !strcmp(c->command, "run");
    bool has_checkpoint = (is_run && !c->smoke) || !strcmp(c->command, "train");
    if (!ok && !j->summary.n && e->code != ERR_GATE)
        job_conclude_failure(j, has_checkpoint, e);
    if (!ok && is_run && !j->summary.n)
        report_write(j, NULL, NULL);
    else if (!j->summary.n && (!ok || has_outputs(c->command)))
        report_summary(j, j->published);
    if (j->summary.n)
        host_add_summary(j->host, j->summary);
    if (!ok || has_outputs(c->command))
        outputs_set(&j->outputs, j->host, c->output_json_path, ok ? NULL : e->message);
    if (ok && j->headline && strcmp(c->command, "plan")) /* plan has printed it as its result */
        log_notice("%s", j->headline);
}

static bool run_command(struct job *j, struct error *e)
{
    const struct config *c = j->config;
    const struct host *h = j->host;
    bool is_quiet = !strcmp(c->command, "version") || !strcmp(c->command, "help");
    if (!is_quiet)
        log_info("retrain %s: %s on %s%s", RETRAIN_RELEASE, c->command, h->name, h->is_act ? " (act)" : "");
    if (!is_quiet && *c->given)
        log_info("options: %s", c->given);
    j->pool = pool_open(c->threads);
    return command_of(c->command)(j, e);
}

bool command_main(const struct command_input *in, struct error *e)
{
    struct arena arena = {0};
    struct host host;
    struct config config = {0};
    double began = clock_seconds();
    host_detect(in->getenv, in->cwd, &arena, &host);
    configure_log(&host, NULL);

    struct config_input input = {
        .argc = in->argc,
        .argv = in->argv,
        .environment = in->environment,
        .host = &host,
        .arena = &arena,
    };
    struct job job = {.config = &config, .host = &host, .arena = &arena, .began = began, .n_jobs = 1, .folder_lock = -1};
    bool ok = config_load(&input, &config, e);
    configure_log(&host, &config);
    log_mask(config.token);
    ok = ok && run_command(&job, e);
    conclude(&job, ok, e);
    job_free(&job);
    arena_free(&arena);
    return ok;
}
