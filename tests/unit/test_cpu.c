#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "core/cpu.h"
#include "core/fs.h"
#include "core/thread.h"

/* A machine's /proc and /sys as a list of path, text pairs. */
struct machine {
    const char *name;
    const char *files[8][2];
    int quota;
};

static const struct machine machines[] = {
    {"nothing known", {{NULL}}, 0},
    {"v2 container", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}}, 2},
    {"v2 without limit", {{"/proc/self/cgroup", "0::/a\n"}, {"/sys/fs/cgroup/a/cpu.max", "max 100000\n"}}, 0},
    {"v2 limit of a parent",
     {{"/proc/self/cgroup", "0::/a/b/c\n"},
      {"/sys/fs/cgroup/a/cpu.max", "200000 100000\n"},
      {"/sys/fs/cgroup/a/b/c/cpu.max", "700000 100000\n"}},
     2},
    {"v2 less than one", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "5000 100000\n"}}, 1},
    {"v1 host",
     {{"/proc/self/cgroup", "12:memory:/x\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "300000\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"}},
     3},
    {"v1 container whose path is the host's",
     {{"/proc/self/cgroup", "4:cpu:/docker/abc\n"},
      {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"},
      {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
     4},
    {"v1 without limit",
     {{"/proc/self/cgroup", "4:cpu:/\n"},
      {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
      {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
     0},
    {"broken", {{"/proc/self/cgroup", "0::/\nx\n:\n\n"}, {"/sys/fs/cgroup/cpu.max", "1 0\n"}}, 0},
    {"empty", {{"/proc/self/cgroup", ""}, {"/sys/fs/cgroup/cpu.max", ""}}, 0},
};

static void quotas_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(machines); i++) {
        struct arena a = {0};
        struct error e = {0};
        char root[] = "/tmp/retrain-test-XXXXXX";
        assert_non_null(mkdtemp(root));
        for (size_t k = 0; k < 8 && machines[i].files[k][0]; k++) {
            const char *path = arena_printf(&a, "%s%s", root, machines[i].files[k][0]);
            assert_true(fs_mkdirs(fs_dir(&a, path), &e));
            assert_true(fs_write_atomic(path, str_of(machines[i].files[k][1]), &e));
        }
        int quota = cpu_quota(root);
        assert_true(fs_remove_tree(root, &e));
        arena_free(&a);
        if (quota != machines[i].quota)
            fail_msg("%s: %d, wanted %d", machines[i].name, quota, machines[i].quota);
    }
}

static void the_affinity_mask_counts(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_true(cpu_count() >= 1);
    assert_true(strlen(cpu_name()) > 0);
    if (sched_getaffinity(0, sizeof before, &before) != 0)
        skip();
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int count = cpu_count();
    sched_setaffinity(0, sizeof before, &before);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_are_found),
        cmocka_unit_test(the_affinity_mask_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
