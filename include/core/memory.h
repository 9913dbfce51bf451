/* How much memory this process may still take, asked before hours of work instead of being killed in them. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct memory {
    uint64_t available_bytes; /* UINT64_MAX = unknown */
    bool is_cgroup;           /* a control group is the bound (a container's limit), not the machine */
};

/* The least of what the machine has left (MemAvailable) and what each control group above this process has left: its limit
 * (v2 memory.max and memory.high, v1 memory.limit_in_bytes) less its use, of which page cache does not count, since the kernel
 * takes that back. `root` goes before the paths /proc and /sys: "" on a real machine. */
struct memory memory_find(const char *root);

#endif
