/* The end of a run that was checkpointed, without the training: starts the next job, or says why not.
 *
 *     chain_driver next|age N_JOBS N_STEPS [--option value]...
 *
 * Host, options and token come from the environment as in a run. N_JOBS: this one included, how many have worked on the
 * version; N_STEPS: done by this job. Prints what the headline would end with, or the job's age. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "pipeline/chain.h"

extern char **environ;

static const char *env(const char *name)
{
    return getenv(name);
}

int main(int argc, char **argv)
{
    struct arena arena = {0};
    struct error e = {0};
    struct host host;
    struct config config;
    double age_s;

    if (argc < 4)
        return 2;
    host_detect(env, ".", &arena, &host);
    log_configure(&(struct log_options){.commands = host.log_commands, .least = LOG_DEBUG, .fd = 2});
    struct config_input in = {argc - 3, (const char *const *)argv + 3, (const char *const *)environ, &host, &arena};
    if (!config_load(&in, &config, &e)) {
        log_error("%s", e.message);
        return 2;
    }
    struct job j = {.config = &config, .host = &host, .arena = &arena, .n_jobs = (int)strtol(argv[2], NULL, 10),
                    .steps = strtol(argv[3], NULL, 10)};
    if (!strcmp(argv[1], "next"))
        printf("%s\n", chain_next(&j));
    else if (chain_job_age(&j, &age_s))
        printf("%.0f\n", age_s);
    else
        printf("unknown\n");
    arena_free(&arena);
    return 0;
}
