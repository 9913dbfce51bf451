#include "command/pictures.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/fs.h"
#include "core/log.h"

#define LONGEST_LINE 8192 /* of a list on standard input */

struct search {
    const struct config *c;
    const char *skip_dir; /* real path, or "" */
    struct arena *a;
    struct picture *all; /* heap; grows */
    size_t n, cap;
    int n_missing;
    const char *common; /* NULL = nothing was found yet */
};

static bool is_image_name(const char *path)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".bmp"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!strcasecmp(fs_ext(path), ends[i]))
            return true;
    return false;
}

static enum fs_kind kind_of(const char *path)
{
    struct fs_stat st;
    struct error e;
    return fs_stat(path, true, &st, &e) ? st.kind : FS_ABSENT;
}

/* How many bytes of `path` name a folder that is `dir` or above it; both absolute and normal. */
static size_t shared(const char *path, const char *dir)
{
    size_t n = 0;
    for (size_t i = 0;; i++) {
        bool path_ends = path[i] == '/' || !path[i], dir_ends = dir[i] == '/' || !dir[i];
        if (path_ends && dir_ends)
            n = i;
        if (!path[i] || path[i] != dir[i])
            return n ? n : 1; /* "/" */
    }
}

static void add(struct search *s, const char *name, const char *path, const char *folder)
{
    path = fs_normal(s->a, path);
    folder = folder ? fs_normal(s->a, folder) : fs_dir(s->a, path);
    s->common = s->common ? arena_strndup(s->a, s->common, shared(s->common, folder)) : folder;
    MEM_GROW(s->all, s->n, s->cap);
    s->all[s->n++] = (struct picture){.path = path, .name = name};
}

static void missing(struct search *s, const char *name, const char *why)
{
    s->n_missing++;
    log_error("%s: %s", name, why);
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return n && !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

static void add_folder(struct search *s, const char *name, const char *path)
{
    struct fs_entry *entries;
    size_t n, before = s->n;
    struct error e = {0};
    char real[PATH_MAX];
    if (!realpath(path, real) || !fs_walk(path, s->a, &entries, &n, &e)) {
        missing(s, name, e.code ? e.message : "cannot be opened");
        return;
    }
    const char *skip = is_below(real, s->skip_dir) ? "" : s->skip_dir; /* unless it was asked for by name */
    for (size_t i = 0; i < n; i++) {
        const char *file = fs_join(s->a, path, entries[i].path);
        bool is_file = entries[i].kind == FS_FILE || (entries[i].kind == FS_LINK && kind_of(file) == FS_FILE);
        if (is_file && is_image_name(file) && !is_below(fs_join(s->a, real, entries[i].path), skip))
            add(s, fs_join(s->a, name, entries[i].path), file, path);
    }
    if (s->n == before)
        missing(s, name, "no image is below this folder (.jpg, .jpeg, .png, .bmp)");
}

static void add_place(struct search *s, const char *name)
{
    const char *path = config_path(s->c, s->a, name);
    if (kind_of(path) == FS_DIR)
        add_folder(s, name, path);
    else if (kind_of(path) == FS_ABSENT)
        missing(s, name, "no such file or folder");
    else
        add(s, name, path, NULL);
}

/* Relative patterns start at the workspace, whose own name may hold what a pattern would take for a sign. */
static void add_pattern(struct search *s, const char *pattern)
{
    bool is_absolute = pattern[0] == '/';
    const char *base = fs_normal(s->a, s->c->workspace);
    struct str_buf full = STR_BUF(2 * PATH_MAX);
    for (const char *p = is_absolute ? "" : base; *p; p++)
        str_buf_printf(&full, strchr("*?[]{}\\", *p) ? "\\%c" : "%c", *p);
    str_buf_printf(&full, "%s%s", is_absolute ? "" : "/", pattern);

    glob_t found = {0};
    size_t cut = is_absolute ? 0 : strlen(base) + 1, n_used = 0;
    char real[PATH_MAX];
    bool is_any = !full.overflow && glob(str_buf_text(&full), GLOB_BRACE, NULL, &found) == 0;
    for (size_t i = 0; is_any && i < found.gl_pathc; i++) {
        if (realpath(found.gl_pathv[i], real) && !strcmp(real, s->skip_dir))
            continue;
        add_place(s, arena_strdup(s->a, found.gl_pathv[i] + cut));
        n_used++;
    }
    if (!n_used)
        missing(s, pattern, "no file matches this pattern");
    if (is_any)
        globfree(&found);
    str_buf_free(&full);
}

static void add_list(struct search *s)
{
    char line[LONGEST_LINE];
    while (fgets(line, sizeof line, stdin)) {
        size_t n = strlen(line);
        bool is_whole = n + 1 < sizeof line || line[n - 1] == '\n';
        if (!is_whole) {
            missing(s, "-", "a line of the list is too long");
            return;
        }
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        if (n)
            add_place(s, arena_strdup(s->a, line));
    }
}

static int by_path(const void *pa, const void *pb)
{
    const struct picture *const *a = pa, *const *b = pb;
    int order = strcmp((*a)->path, (*b)->path);
    return order ? order : (*a > *b) - (*a < *b);
}

/* A file that several arguments led to stays where it came first. */
static void drop_repeated(struct search *s)
{
    const struct picture **sorted = ARENA_NEW(s->a, const struct picture *, s->n + 1);
    bool *is_repeated = ARENA_NEW(s->a, bool, s->n + 1);
    for (size_t i = 0; i < s->n; i++)
        sorted[i] = &s->all[i];
    qsort(sorted, s->n, sizeof *sorted, by_path);
    for (size_t i = 1; i < s->n; i++)
        is_repeated[sorted[i] - s->all] = !strcmp(sorted[i]->path, sorted[i - 1]->path);
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!is_repeated[i])
            s->all[kept++] = s->all[i];
    s->n = kept;
}

void pictures_find(const struct config *c, const char *const *arguments, int n_arguments, const char *skip_dir,
                   struct arena *a, struct pictures *out)
{
    char real[PATH_MAX];
    struct search s = {.c = c, .a = a, .skip_dir = *skip_dir && realpath(skip_dir, real) ? real : ""};
    for (int i = 0; i < n_arguments; i++) {
        const char *name = arguments[i];
        if (!strcmp(name, "-"))
            add_list(&s);
        else if (strpbrk(name, "*?[{") && kind_of(config_path(c, a, name)) == FS_ABSENT)
            add_pattern(&s, name);
        else
            add_place(&s, name);
    }
    drop_repeated(&s);
    *out = (struct pictures){.n = (int)s.n, .n_missing = s.n_missing, .common = s.common ? s.common : "/"};
    out->all = ARENA_NEW(a, struct picture, s.n + 1);
    if (s.n)
        memcpy(out->all, s.all, s.n * sizeof *s.all);
    mem_free(s.all);
}
