#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/job.h"
#include "config/options.h"

/* The flags make the repository's generated files; they are for contributors and not in the page. */
bool cmd_help(struct job *j, struct error *e)
{
    const char *what = j->config->n_arguments ? j->config->arguments[0] : "";
    struct str_buf out = STR_BUF(256u << 10);
    if (!strcmp(what, "--markdown"))
        config_help_markdown(&out);
    else if (!strcmp(what, "--action-yml"))
        config_help_action_yml(&out);
    else if (*what && !config_help_option(&out, what))
        return fail(e, ERR_CONFIG, "help: there is no option '%.80s'; `retrain help` lists them", what);
    else if (!*what)
        config_help(&out, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
    fwrite(str_buf_text(&out), 1, out.n, stdout);
    str_buf_free(&out);
    return true;
}
