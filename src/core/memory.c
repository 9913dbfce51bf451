#include "core/memory.h"

#include "core/cgroup.h"

static uint64_t number_or(struct str text, uint64_t otherwise)
{
    uint64_t n;
    return str_to_uint64(str_trim(text), &n) ? n : otherwise;
}

/* "key 123" lines of memory.stat; the sum of those whose key is one of `keys`. */
static uint64_t sum_of(struct str text, const char *const *keys)
{
    uint64_t sum = 0;
    struct str line, key;
    while (str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ' ', &key))
            continue;
        for (int i = 0; keys[i]; i++)
            sum += str_is(key, keys[i]) ? number_or(line, 0) : 0;
    }
    return sum;
}

/* Of one group. An absent file, "max", and version 1's "no limit" of almost 2^63 leave the limit open. */
static void tighten(void *ctx, struct arena *a, const char *folder, bool is_v2)
{
    static const char *const cache_v2[] = {"inactive_file", "active_file", NULL};
    static const char *const cache_v1[] = {"total_inactive_file", "total_active_file", NULL};
    struct memory *m = ctx;
    uint64_t limit, used, cache;
    if (is_v2) {
        uint64_t high = number_or(cgroup_read(a, arena_printf(a, "%s/memory.high", folder)), UINT64_MAX);
        limit = number_or(cgroup_read(a, arena_printf(a, "%s/memory.max", folder)), UINT64_MAX);
        limit = high < limit ? high : limit;
        used = number_or(cgroup_read(a, arena_printf(a, "%s/memory.current", folder)), 0);
    } else {
        limit = number_or(cgroup_read(a, arena_printf(a, "%s/memory.limit_in_bytes", folder)), UINT64_MAX);
        used = number_or(cgroup_read(a, arena_printf(a, "%s/memory.usage_in_bytes", folder)), 0);
    }
    if (limit >= INT64_MAX / 2)
        return;
    cache = sum_of(cgroup_read(a, arena_printf(a, "%s/memory.stat", folder)), is_v2 ? cache_v2 : cache_v1);
    used -= cache < used ? cache : used;
    uint64_t left = used < limit ? limit - used : 0;
    if (left < m->available_bytes)
        *m = (struct memory){left, true};
}

/* "MemAvailable:   12345 kB" of /proc/meminfo. */
static uint64_t machine_has(struct arena *a, const char *root)
{
    struct str text = cgroup_read(a, arena_printf(a, "%s/proc/meminfo", root)), line, key;
    while (str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ':', &key) || !str_is(key, "MemAvailable"))
            continue;
        line = str_trim(line);
        if (!str_ends(line, " kB"))
            return UINT64_MAX;
        uint64_t kb = number_or(str_slice(line, 0, line.n - 3), UINT64_MAX);
        return kb < UINT64_MAX / 1024 ? kb * 1024 : UINT64_MAX;
    }
    return UINT64_MAX;
}

struct memory memory_find(const char *root)
{
    struct arena a = {0};
    struct memory m = {machine_has(&a, root), false};
    cgroup_each(root, "memory", &a, tighten, &m);
    arena_free(&a);
    return m;
}
