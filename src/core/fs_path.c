#include <string.h>

#include "core/fs.h"

char *fs_join(struct arena *a, const char *dir, const char *name)
{
    if (name[0] == '/')
        return arena_strdup(a, name);
    while (name[0] == '.' && (name[1] == '/' || name[1] == '\0'))
        name += name[1] ? 2 : 1;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    bool is_here = n == 0 || (n == 1 && dir[0] == '.');
    if (name[0] == '\0')
        return is_here ? arena_strdup(a, ".") : arena_strndup(a, dir, n);
    if (is_here)
        return arena_strdup(a, name);
    return arena_printf(a, "%.*s%s%s", (int)n, dir, dir[n - 1] == '/' ? "" : "/", name);
}

const char *fs_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *fs_ext(const char *path)
{
    const char *base = fs_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? dot : base + strlen(base); /* ".profile" is a name, not an extension */
}

char *fs_dir(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_strdup(a, ".");
    while (slash > path && slash[-1] == '/')
        slash--;
    return slash == path ? arena_strdup(a, "/") : arena_strndup(a, path, (size_t)(slash - path));
}

char *fs_stem(struct arena *a, const char *path)
{
    const char *base = fs_base(path);
    return arena_strndup(a, base, (size_t)(fs_ext(base) - base));
}

char *fs_normal(struct arena *a, const char *path)
{
    bool is_absolute = path[0] == '/';
    size_t cap = strlen(path) / 2 + 2, n = 0;
    struct str *parts = ARENA_NEW(a, struct str, cap);
    struct str rest = str_of(path), part;
    while (str_cut(&rest, '/', &part)) {
        if (!part.n || str_is(part, "."))
            continue;
        if (!str_is(part, ".."))
            parts[n++] = part;
        else if (n && !str_is(parts[n - 1], ".."))
            n--;
        else if (!is_absolute)
            parts[n++] = part;
    }
    char *out = arena_strdup(a, is_absolute ? "/" : "");
    for (size_t i = 0; i < n; i++)
        out = arena_printf(a, "%s%s" STR_FMT, out, i ? "/" : "", STR_ARG(parts[i]));
    return out;
}
