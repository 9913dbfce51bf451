#include "dataset/draft.h"

#include <stdio.h>
#include <string.h>

void draft_free(struct draft *d)
{
    arena_free(&d->scratch);
    mem_free(d->image_of_entry);
    mem_free(d->images);
    mem_free(d->classes);
    mem_free(d->defects);
}

static void add_defect(struct draft *d, bool is_error, const char *file, unsigned line, const char *text)
{
    *(is_error ? &d->n_errors : &d->n_warnings) += 1;
    if (d->n_defects >= LIMIT_DEFECTS)
        return;
    MEM_GROW(d->defects, d->n_defects, d->cap_defects);
    d->defects[d->n_defects++] = (struct defect){is_error, arena_strdup(d->keep, file), line, text};
}

void draft_error(struct draft *d, const char *file, unsigned line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_defect(d, true, file, line, arena_vprintf(d->keep, fmt, args));
    va_end(args);
}

void draft_warning(struct draft *d, const char *file, unsigned line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_defect(d, false, file, line, arena_vprintf(d->keep, fmt, args));
    va_end(args);
}

const char *defect_text(const char *name, const char *message)
{
    size_t n = strlen(name);
    return strncmp(message, name, n) == 0 && strncmp(message + n, ": ", 2) == 0 ? message + n + 2 : message;
}

void draft_failure(struct draft *d, const char *file, const char *message)
{
    size_t n = strlen(file);
    unsigned line = 0;
    if (strncmp(message, file, n) == 0 && message[n] == ':') {
        const char *p = message + n + 1;
        while (*p >= '0' && *p <= '9' && line < 100000000)
            line = line * 10 + (unsigned)(*p++ - '0');
        if (line > 0 && *p == ':') { /* a column may follow: "file:12:3: text" */
            const char *q = p + 1;
            while (*q >= '0' && *q <= '9')
                q++;
            p = q > p + 1 && *q == ':' ? q : p;
            message = p + 1;
        } else {
            message += n + 1;
        }
        message += *message == ' ';
    }
    draft_error(d, file, line, "%s", message);
}

bool is_lfs_pointer(struct str text)
{
    return text.n <= 1024 && str_starts(text, "version https://git-lfs.github.com/spec/");
}

bool draft_read(struct draft *d, const char *name, size_t max_bytes, struct arena *a, struct str *out)
{
    struct error e;
    char *path = fs_join(&d->scratch, d->folder, name);
    if (!fs_read_file(path, max_bytes, a, out, &e)) {
        draft_error(d, name, 0, "%s", defect_text(path, e.message));
        return false;
    }
    if (is_lfs_pointer(*out)) {
        draft_error(d, name, 0,
                    "is a Git LFS pointer, not the file itself: run `git lfs pull` (in CI: checkout with lfs: true)");
        return false;
    }
    if (str_starts(*out, "\xef\xbb\xbf")) /* a byte order mark */
        *out = str_slice(*out, 3, out->n);
    return true;
}

static long find_entry(const struct fs_entry *entries, size_t n, struct str path)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strncmp(entries[mid].path, path.p, path.n);
        order = order == 0 ? entries[mid].path[path.n] != 0 : order;
        if (order == 0)
            return (long)mid;
        *(order < 0 ? &low : &high) = order < 0 ? mid + 1 : mid;
    }
    return -1;
}

bool is_dvc_stub(const struct fs_entry *entries, size_t n, const char *path)
{
    struct str s = str_of(path);
    return str_ends(s, ".dvc") && find_entry(entries, n, str_slice(s, 0, s.n - 4)) < 0;
}

long draft_find(const struct draft *d, const char *path)
{
    return find_entry(d->entries, d->n_entries, str_of(path));
}

bool draft_has_file(const struct draft *d, const char *path)
{
    long i = draft_find(d, path);
    return i >= 0 && d->entries[i].kind == FS_FILE;
}

char *draft_resolve(struct draft *d, const char *folder, const char *path)
{
    if (*path == '/')
        return NULL;
    struct str rest = str_of(arena_printf(&d->scratch, "%s/%s", folder, path)), part;
    char *out = arena_alloc(&d->scratch, rest.n + 1);
    size_t n = 0;
    while (str_cut(&rest, '/', &part)) {
        if (part.n == 0 || str_is(part, "."))
            continue;
        if (str_is(part, "..")) {
            if (n == 0)
                return NULL;
            while (n > 0 && out[n] != '/')
                n--;
        } else {
            if (n > 0)
                out[n++] = '/';
            memcpy(out + n, part.p, part.n);
            n += part.n;
        }
        out[n] = 0;
    }
    return out;
}

struct draft_image *draft_image(struct draft *d, const char *name)
{
    long at = draft_find(d, name);
    if (at < 0 || d->entries[at].kind != FS_FILE)
        return NULL;
    if (d->image_of_entry[at] < 0) {
        MEM_GROW(d->images, d->n_images, d->cap_images);
        d->image_of_entry[at] = d->n_images;
        d->images[d->n_images++] = (struct draft_image){.name = d->entries[at].path};
    }
    return &d->images[d->image_of_entry[at]];
}

void draft_take_all_images(struct draft *d)
{
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind != FS_FILE || !path_is_image(path))
            continue;
        unsigned parts = path_parts(path, false);
        draft_image(d, path)->parts |= parts;
        if (parts & 1u << PART_VAL)
            d->split_is_named = true;
    }
}

const char *draft_head(struct draft *d, const char *name)
{
    enum { HEAD_BYTES = 64 << 10 };
    FILE *f = fopen(fs_join(&d->scratch, d->folder, name), "rb");
    if (!f)
        return "";
    char *text = arena_alloc(&d->scratch, HEAD_BYTES + 1);
    size_t n = fread(text, 1, HEAD_BYTES, f);
    fclose(f);
    for (size_t i = 0; i < n; i++) { /* binary and UTF-16 files must not hide their tail */
        if (!text[i])
            text[i] = ' ';
    }
    return text;
}

void draft_add_box(struct draft *d, struct draft_image *im, struct draft_box b)
{
    struct draft_box *kept = ARENA_NEW(&d->scratch, struct draft_box, 1);
    *kept = b;
    kept->next = NULL;
    *(im->tail ? im->tail : &im->boxes) = kept;
    im->tail = &kept->next;
    im->n_boxes++;
}

int draft_add_class(struct draft *d, const char *name)
{
    MEM_GROW(d->classes, d->n_classes, d->cap_classes);
    d->classes[d->n_classes] = arena_strdup(d->keep, name);
    return d->n_classes++;
}
