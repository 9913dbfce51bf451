/* Inside of cpu.c, open for its test. */
#ifndef CORE_CPU_H
#define CORE_CPU_H

/* CPUs that the control group of this process grants, rounded up; 0 = no limit found. `root` goes before the paths
 * /proc and /sys ("" on a real machine). */
int cpu_quota(const char *root);

#endif
