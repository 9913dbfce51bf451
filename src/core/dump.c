#include "core/dump.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void dump_forbid(void)
{
    /* One byte is too little for a core file, and the one limit at which the kernel does not start a handler either (it
     * ignores 0 there; Linux, fs/coredump.c). Children inherit it, which they do not PR_SET_DUMPABLE; and that would hide
     * /proc/self from ourselves and from LeakSanitizer. */
    struct rlimit least = {1, 1};

    if (setrlimit(RLIMIT_CORE, &least))
        prctl(PR_SET_DUMPABLE, 0);
}
