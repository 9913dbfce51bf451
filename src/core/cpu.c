#include "core/cpu.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/cgroup.h"
#include "core/thread.h"

/* cpu.max of version 2: "150000 100000" or "max 100000" (microseconds per period). */
static double quota_v2(struct arena *a, const char *folder)
{
    struct str text = cgroup_read(a, arena_printf(a, "%s/cpu.max", folder)), quota, period;
    double q, p;
    if (!str_cut(&text, ' ', &quota) || !str_cut(&text, ' ', &period))
        return INFINITY;
    if (!str_to_double(quota, &q) || !str_to_double(period, &p) || !(q > 0) || !(p > 0))
        return INFINITY;
    return q / p;
}

static double quota_v1(struct arena *a, const char *folder)
{
    struct str quota = cgroup_read(a, arena_printf(a, "%s/cpu.cfs_quota_us", folder));
    struct str period = cgroup_read(a, arena_printf(a, "%s/cpu.cfs_period_us", folder));
    double q, p;
    if (!str_to_double(quota, &q) || !str_to_double(period, &p) || !(q > 0) || !(p > 0))
        return INFINITY;
    return q / p;
}

static void tighten(void *ctx, struct arena *a, const char *folder, bool is_v2)
{
    double *tightest = ctx, here = is_v2 ? quota_v2(a, folder) : quota_v1(a, folder);
    *tightest = here < *tightest ? here : *tightest;
}

int cpu_quota(const char *root)
{
    struct arena a = {0};
    double tightest = INFINITY;
    cgroup_each(root, "cpu", &a, tighten, &tightest);
    arena_free(&a);
    return tightest < 1e6 ? (int)ceil(tightest) : 0;
}

/* The mask may be longer than cpu_set_t on machines with more than 1024 CPUs: the kernel says so with EINVAL. */
static int cpu_affinity(void)
{
    for (int n = 1024; n <= 1 << 17; n *= 2) {
        size_t size = CPU_ALLOC_SIZE(n);
        cpu_set_t *set = mem_alloc(size);
        int failed = sched_getaffinity(0, size, set), code = errno;
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        mem_free(set);
        if (!failed)
            return count;
        if (code != EINVAL)
            break;
    }
    return 1;
}

int cpu_count(void)
{
    int count = cpu_affinity(), quota = cpu_quota("");
    if (quota > 0 && quota < count)
        count = quota;
    return count > 1 ? count : 1;
}

static char name[128] = "unknown";
static pthread_once_t name_once = PTHREAD_ONCE_INIT;

static void find_name(void)
{
    struct arena a = {0};
    struct str text = cgroup_read(&a, "/proc/cpuinfo"), line, key;
    while (str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ':', &key) || !str_is(str_trim(key), "model name"))
            continue;
        struct str value = str_slice(str_trim(line), 0, sizeof name - 1);
        if (value.n) {
            memcpy(name, value.p, value.n);
            name[value.n] = '\0';
        }
        break;
    }
    arena_free(&a);
}

const char *cpu_name(void)
{
    pthread_once(&name_once, find_name);
    return name;
}
