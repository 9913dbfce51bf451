#include "core/cpu.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/fs.h"
#include "core/thread.h"

#define PROC_LIMIT ((size_t)4 << 20)

static struct str read_or_empty(struct arena *a, const char *path)
{
    struct str text = {0};
    struct error e;
    if (!fs_exists(path) || !fs_read_file(path, PROC_LIMIT, a, &text, &e))
        return (struct str){0};
    return text;
}

/* cpu.max of version 2: "150000 100000" or "max 100000" (microseconds per period). */
static double quota_v2(struct arena *a, const char *folder)
{
    struct str text = str_trim(read_or_empty(a, arena_printf(a, "%s/cpu.max", folder))), quota, period;
    double q, p;
    if (!str_cut(&text, ' ', &quota) || !str_cut(&text, ' ', &period))
        return INFINITY;
    if (!str_to_double(quota, &q) || !str_to_double(period, &p) || !(q > 0) || !(p > 0))
        return INFINITY;
    return q / p;
}

static double quota_v1(struct arena *a, const char *folder)
{
    struct str quota = read_or_empty(a, arena_printf(a, "%s/cpu.cfs_quota_us", folder));
    struct str period = read_or_empty(a, arena_printf(a, "%s/cpu.cfs_period_us", folder));
    double q, p;
    if (!str_to_double(str_trim(quota), &q) || !str_to_double(str_trim(period), &p) || !(q > 0) || !(p > 0))
        return INFINITY;
    return q / p;
}

/* The tightest quota from the group itself up to the mount's root. Inside a container the path in /proc may be the
 * host's and lead nowhere here; the root, which is always looked at, is then the container's own group. */
static double quota_up(struct arena *a, double (*quota)(struct arena *, const char *), const char *mount, struct str path)
{
    double tightest = quota(a, mount);
    while (path.n > 1) {
        double here = quota(a, arena_printf(a, "%s" STR_FMT, mount, STR_ARG(path)));
        tightest = here < tightest ? here : tightest;
        while (path.n > 0 && path.p[path.n - 1] != '/')
            path.n--;
        while (path.n > 0 && path.p[path.n - 1] == '/')
            path.n--;
    }
    return tightest;
}

static bool names_cpu(struct str controllers)
{
    struct str field;
    while (str_cut(&controllers, ',', &field))
        if (str_is(field, "cpu"))
            return true;
    return false;
}

int cpu_quota(const char *root)
{
    struct arena a = {0};
    struct str text = read_or_empty(&a, arena_printf(&a, "%s/proc/self/cgroup", root)), line, id, controllers;
    double tightest = INFINITY;
    while (str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ':', &id))
            continue;
        double here = INFINITY;
        bool is_v2 = str_is(id, "0") && str_starts(line, ":");
        if (is_v2) {
            here = quota_up(&a, quota_v2, arena_printf(&a, "%s/sys/fs/cgroup", root), str_slice(line, 1, line.n));
        } else if (str_cut(&line, ':', &controllers) && names_cpu(controllers)) {
            const char *mount = arena_printf(&a, "%s/sys/fs/cgroup/" STR_FMT, root, STR_ARG(controllers));
            here = quota_up(&a, quota_v1, mount, line);
            double plain = quota_up(&a, quota_v1, arena_printf(&a, "%s/sys/fs/cgroup/cpu", root), line);
            here = plain < here ? plain : here;
        }
        tightest = here < tightest ? here : tightest;
    }
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
    struct str text = read_or_empty(&a, "/proc/cpuinfo"), line, key;
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
