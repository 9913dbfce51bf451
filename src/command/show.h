/* Results on standard output that hold text from outside (class names, store replies, file names). A runner obeys
 * commands there too: "::name::" at the start of a line, however indented, and "##[name]" anywhere. So such text never
 * comes first in a line, control characters become '?', and "##[" is broken up. Private to command. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include "core/json.h"

void show_text(const char *text);          /* at most 1000 bytes, cut at a whole character */
void show_json_line(const struct json *v); /* one line; "##[" is spelt "#\u0023[", which reads back the same */

#endif
