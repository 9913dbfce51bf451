/* Core files hold what the memory held: keys, session tokens, requests about to be sent. */
#ifndef CORE_DUMP_H
#define CORE_DUMP_H

/* From now on a crash of this process, or of one that it starts, leaves no core file, nor feeds a crash handler
 * (kernel.core_pattern with a pipe). For good: to be called before the first secret is read. */
void dump_forbid(void);

#endif
