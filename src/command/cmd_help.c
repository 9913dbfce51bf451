#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/help.h"
#include "pipeline/version.h"

/* `run` takes every option: its page is the whole one. `retrain --version` arrives as --release. --markdown and --action-yml
 * make the repository's generated files; they are for contributors and not in the page. */
static bool write_page(struct str_buf *out, const char *what)
{
    if (!*what || !strcmp(what, "run"))
        help_page(out, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
    else if (!strcmp(what, "--release"))
        str_buf_printf(out, "retrain %s\n", RETRAIN_RELEASE);
    else if (!strcmp(what, "--markdown"))
        help_markdown(out);
    else if (!strcmp(what, "--action-yml"))
        help_action_yml(out);
    else
        return help_command(out, what) || help_option(out, what);
    return true;
}

bool cmd_help(struct job *j, struct error *e)
{
    const char *what = j->config->n_arguments ? j->config->arguments[0] : "";
    struct str_buf out = STR_BUF(256u << 10);
    bool is_known = write_page(&out, what);
    fwrite(str_buf_text(&out), 1, out.n, stdout);
    str_buf_free(&out);
    return is_known || fail(e, ERR_CONFIG, "help: there is no command or option '%.80s'; `retrain help` lists them", what);
}
