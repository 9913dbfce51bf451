/* Well-formed UTF-8, as RFC 3629 has it; shared by everything in core that shows text from outside. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stddef.h>

/* Bytes of the character at p (1..4), or 0 if p does not begin one that is whole and well formed within n. NUL counts
 * as a character of one byte. */
size_t utf8_length(const char *p, size_t n);

/* Is the character a control character: below 0x20, DEL, or one of C1 (U+0080..U+009F, which terminals obey too)? */
int utf8_is_control(const char *p, size_t length);

#endif
