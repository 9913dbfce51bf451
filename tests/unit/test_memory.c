#include <stdlib.h>

#include "unit.h"

#include "core/fs.h"
#include "core/memory.h"

#define MEMINFO "MemTotal:       8000000 kB\nMemFree:        1000 kB\nMemAvailable:   4000000 kB\nBuffers: 1 kB\n"
#define MACHINE (4000000ull * 1024)

/* A machine's /proc and /sys as a list of path, text pairs. */
struct machine {
    const char *name;
    const char *files[8][2];
    uint64_t available;
    bool is_cgroup;
};

static const struct machine machines[] = {
    {"nothing known", {{NULL}}, UINT64_MAX, false},
    {"no group", {{"/proc/meminfo", MEMINFO}}, MACHINE, false},
    {"broken meminfo", {{"/proc/meminfo", "MemAvailable: 12\nMemAvailable: x kB\n"}}, UINT64_MAX, false},
    {"huge meminfo", {{"/proc/meminfo", "MemAvailable: 18446744073709551615 kB\n"}}, UINT64_MAX, false},
    {"v2 without limit",
     {{"/proc/meminfo", MEMINFO}, {"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "max\n"}},
     MACHINE, false},
    {"v2 container; page cache is no use",
     {{"/proc/meminfo", MEMINFO},
      {"/proc/self/cgroup", "0::/\n"},
      {"/sys/fs/cgroup/memory.max", "2000000000\n"},
      {"/sys/fs/cgroup/memory.current", "900000000\n"},
      {"/sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 300000000\nactive_file 100000000\nfile 7\n"}},
     1500000000, true},
    {"v2 limit of a parent, which others use too",
     {{"/proc/meminfo", MEMINFO},
      {"/proc/self/cgroup", "0::/a/b\n"},
      {"/sys/fs/cgroup/a/memory.max", "1000000000\n"},
      {"/sys/fs/cgroup/a/memory.current", "800000000\n"},
      {"/sys/fs/cgroup/a/b/memory.max", "500000000\n"},
      {"/sys/fs/cgroup/a/b/memory.current", "100000000\n"}},
     200000000, true},
    {"v2 memory.high",
     {{"/proc/self/cgroup", "0::/\n"},
      {"/sys/fs/cgroup/memory.max", "2000\n"},
      {"/sys/fs/cgroup/memory.high", "1500\n"},
      {"/sys/fs/cgroup/memory.current", "500\n"}},
     1000, true},
    {"more used than allowed",
     {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "100\n"}, {"/sys/fs/cgroup/memory.current", "500\n"}},
     0, true},
    {"a group wider than the machine",
     {{"/proc/meminfo", MEMINFO}, {"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "99000000000\n"}},
     MACHINE, false},
    {"v1",
     {{"/proc/meminfo", MEMINFO},
      {"/proc/self/cgroup", "4:cpu:/x\n3:memory:/docker/abc\n0::/x\n"},
      {"/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1000000000\n"},
      {"/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "300000000\n"},
      {"/sys/fs/cgroup/memory/docker/abc/memory.stat",
       "inactive_file 1\ntotal_inactive_file 50000000\ntotal_active_file 50000000\n"}},
     800000000, true},
    {"v1 container whose path is the host's",
     {{"/proc/meminfo", MEMINFO},
      {"/proc/self/cgroup", "3:memory:/docker/abc\n"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000000\n"}},
     1000000000, true},
    {"v1 without limit",
     {{"/proc/meminfo", MEMINFO},
      {"/proc/self/cgroup", "3:memory:/\n"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     MACHINE, false},
    {"broken", {{"/proc/meminfo", MEMINFO}, {"/proc/self/cgroup", "0::/\n:\nx\n\n"}, {"/sys/fs/cgroup/memory.max", "-5\n"}}, MACHINE, false},
};

static void limits_are_found(void **state)
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
        struct memory m = memory_find(root);
        assert_true(fs_remove_tree(root, &e));
        arena_free(&a);
        if (m.available_bytes != machines[i].available || m.is_cgroup != machines[i].is_cgroup)
            fail_msg("%s: %llu, wanted %llu", machines[i].name, (unsigned long long)m.available_bytes,
                     (unsigned long long)machines[i].available);
    }
}

static void this_machine_has_some(void **state)
{
    (void)state;
    assert_true(memory_find("").available_bytes > 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_found),
        cmocka_unit_test(this_machine_has_some),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
