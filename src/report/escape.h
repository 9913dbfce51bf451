/* Untrusted text made harmless for the place where it is shown. Class names, file names, branch names and messages
 * come from whoever can push to the repository.
 *
 * Both: control characters and line ends become a blank, bytes that are not UTF-8 become U+FFFD, invisible and
 * direction-changing characters vanish, and text longer than max_chars characters is cut with an ellipsis. */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include <stddef.h>

#include "core/str.h"

#define ESCAPE_NAME 80    /* characters of a class or file name that are worth showing */
#define ESCAPE_TEXT 1000  /* of a sentence */

/* For running text and table cells of GitHub's and GitLab's Markdown: no markup, no HTML, no mention, no link. */
void escape_markdown(struct str_buf *out, const char *text, size_t max_chars);
/* For HTML text and for attribute values in double quotes. */
void escape_html(struct str_buf *out, const char *text, size_t max_chars);

#endif
