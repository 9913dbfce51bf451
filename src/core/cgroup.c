#include "core/cgroup.h"

#include "core/fs.h"

#define PROC_LIMIT ((size_t)4 << 20)

struct str cgroup_read(struct arena *a, const char *path)
{
    struct str text = {0};
    struct error e;
    if (!fs_exists(path) || !fs_read_file(path, PROC_LIMIT, a, &text, &e))
        return (struct str){0};
    return str_trim(text);
}

static void walk_up(struct arena *a, const char *mount, struct str path, bool is_v2, cgroup_fn fn, void *ctx)
{
    while (path.n > 1) {
        fn(ctx, a, arena_printf(a, "%s" STR_FMT, mount, STR_ARG(path)), is_v2);
        while (path.n > 0 && path.p[path.n - 1] != '/')
            path.n--;
        while (path.n > 0 && path.p[path.n - 1] == '/')
            path.n--;
    }
    fn(ctx, a, mount, is_v2);
}

static bool names(struct str controllers, const char *controller)
{
    struct str field;
    while (str_cut(&controllers, ',', &field))
        if (str_is(field, controller))
            return true;
    return false;
}

void cgroup_each(const char *root, const char *controller, struct arena *a, cgroup_fn fn, void *ctx)
{
    struct str text = cgroup_read(a, arena_printf(a, "%s/proc/self/cgroup", root)), line, id, controllers;
    while (str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ':', &id))
            continue;
        if (str_is(id, "0") && str_starts(line, ":")) {
            walk_up(a, arena_printf(a, "%s/sys/fs/cgroup", root), str_slice(line, 1, line.n), true, fn, ctx);
        } else if (str_cut(&line, ':', &controllers) && names(controllers, controller)) {
            /* mounted under the names of all its controllers, or under its own */
            const char *all = arena_printf(a, "%s/sys/fs/cgroup/" STR_FMT, root, STR_ARG(controllers));
            walk_up(a, all, line, false, fn, ctx);
            if (!str_is(controllers, controller))
                walk_up(a, arena_printf(a, "%s/sys/fs/cgroup/%s", root, controller), line, false, fn, ctx);
        }
    }
}
