/* Pages made from the tables of options (action/options.def) and commands (config/config.h). Private to command. */
#ifndef COMMAND_HELP_H
#define COMMAND_HELP_H

#include <stdbool.h>

#include "core/str.h"

void help_page(struct str_buf *out, bool terminal);            /* everything; terminal: with bold headings */
bool help_command(struct str_buf *out, const char *command);   /* false: there is none of that name */
bool help_option(struct str_buf *out, const char *name);       /* the same; with or without the dashes */
/* help_files.c: docs/options.md and action.yml. */
void help_markdown(struct str_buf *out);
void help_action_yml(struct str_buf *out);

#endif
