/* The commands, one function each: what `retrain NAME` does. Results go to standard output, everything else to the log. Private
 * to command. */
#ifndef COMMAND_COMMANDS_H
#define COMMAND_COMMANDS_H

#include "pipeline/job.h"

#define COMMAND_DECLARE(name, arguments, least, most, help) MUST_CHECK bool cmd_##name(struct job *j, struct error *e);
CONFIG_COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
