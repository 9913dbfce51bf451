/* A folder as a store. Objects are files; a reader sees a whole object or none, a condition holds among processes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "store/backend.h"
#include "store/dir_age.h"
#include "store/dir_lock.h"
#include "store/dir_tidy.h"
#include "store/download.h"

#define READ_TRIES 3
#define MAKE_TRIES 16 /* a remover may take the folder away between our mkdir and our write */

struct dir_store {
    struct store base; /* first: a struct store * is cast to this */
    char *folder;      /* absolute where it could be told, else as given */
    struct dir_lock lock;
    bool is_locked; /* by store_lock */
};

static struct dir_store *dir_of(const struct store *s)
{
    return (struct dir_store *)s;
}

/* Whatever goes wrong with the folder is the store's trouble (exit code 4), not an internal one. */
static bool store_trouble(const struct store *s, struct error *e)
{
    if (e->code == ERR_INTERNAL)
        e->code = ERR_STORE;
    return fail_in(e, "%s", s->url);
}

static bool sync_folder(const char *folder, struct error *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, ERR_STORE, "open %s: %s", folder, strerror(errno));
    /* Some network file systems refuse to sync a folder; then there is nothing more that we could do. */
    bool ok = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
    if (!ok)
        fail(e, ERR_STORE, "fsync %s: %s", folder, strerror(errno));
    close(fd);
    return ok;
}

static void dir_close(struct store *s)
{
    mem_free(dir_of(s)->folder);
    mem_free(s);
}

static char *dir_object_url(const struct store *s, const char *key, struct arena *a)
{
    return arena_printf(a, "file://%s", fs_join(a, dir_of(s)->folder, key));
}

static void etag_of(struct str bytes, char etag[128])
{
    uint8_t sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    sha256_of(bytes.p, bytes.n, sum);
    hex_encode(sum, sizeof sum, hex);
    snprintf(etag, 128, "\"%s\"", hex);
}

static bool dir_get(struct store *s, const char *key, const char *known, size_t max_bytes, struct arena *a,
                    enum store_found *found, struct str *out, char etag[128], struct error *e)
{
    const char *path = fs_join(a, dir_of(s)->folder, key);
    struct fs_stat st;

    if (!fs_stat(path, true, &st, e))
        return store_trouble(s, e);
    if (st.kind == FS_ABSENT)
        return true;
    if (st.kind != FS_FILE)
        return fail(e, ERR_STORE, "%s: %s is not a regular file", s->url, key);
    bool is_read = false;
    for (int i = 0; i < READ_TRIES && !is_read && st.kind == FS_FILE; i++) {
        struct error ignored;
        is_read = fs_read_file(path, max_bytes, a, out, e);
        /* Removed between the two calls; or replaced while we read it, by another machine (ESTALE): read the new one. */
        if (!is_read && !fs_stat(path, true, &st, &ignored))
            break;
    }
    if (!is_read)
        return st.kind == FS_ABSENT || store_trouble(s, e);
    etag_of(*out, etag);
    *found = strcmp(etag, known) ? STORE_PRESENT : STORE_UNCHANGED;
    return true;
}

static bool dir_stat(struct store *s, const char *key, enum store_found *found, uint64_t *size_bytes, struct error *e)
{
    struct arena a = {0};
    struct fs_stat st;
    bool ok = fs_stat(fs_join(&a, dir_of(s)->folder, key), true, &st, e) || store_trouble(s, e);

    if (ok && st.kind == FS_FILE) {
        *found = STORE_PRESENT;
        *size_bytes = st.size_bytes;
    }
    arena_free(&a);
    return ok;
}

/* In this order: a file that is replaced in between is found younger than it is, not older. */
static bool dir_age(struct store *s, const char *key, enum store_found *found, double *age_s, char etag[128],
                    struct error *e)
{
    struct arena a = {0};
    struct str bytes;
    bool ok = dir_get(s, key, "", SIZE_MAX, &a, found, &bytes, etag, e) &&
              (*found == STORE_ABSENT || dir_file_age(fs_join(&a, dir_of(s)->folder, key), found, age_s, e) ||
               store_trouble(s, e));

    arena_free(&a);
    return ok;
}

static bool dir_digest(struct store *s, const char *key, enum store_found *found, uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    uint64_t size_bytes;
    bool ok = dir_stat(s, key, found, &size_bytes, e);

    if (ok && *found == STORE_PRESENT)
        ok = sha256_file(fs_join(&a, dir_of(s)->folder, key), sha256, &size_bytes, e) || store_trouble(s, e);
    arena_free(&a);
    return ok;
}

/* Temporaries have a dot in front: fs_walk, and so store_list, does not see them. */
static char *temporary_beside(const char *path, struct arena *a)
{
    uint8_t nonce[8];
    char hex[17];

    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    return fs_join(a, fs_dir(a, path), arena_printf(a, ".%s.%s.new", fs_base(path), hex));
}

/* A copy that is known to have the right bytes; no file under that name otherwise. */
static bool copy_checked(const struct store_file *f, const char *to, struct error *e)
{
    uint8_t sum[SHA256_BYTES];
    uint64_t size_bytes;

    bool ok = fs_copy_atomic(f->path, to, e) && sha256_file(to, sum, &size_bytes, e) &&
              (memcmp(sum, f->sha256, sizeof sum) == 0 || store_file_changed(f, e));
    if (!ok)
        unlink(to);
    return ok;
}

static bool copy_into(const struct store_file *f, const char *to, bool only_if_absent, struct arena *a, bool *written,
                      struct error *e)
{
    char *temporary = temporary_beside(to, a);

    *written = false;
    if (only_if_absent && fs_exists(to))
        return true;
    if (!copy_checked(f, temporary, e))
        return false;
    *written = true;
    return only_if_absent ? fs_name_new(temporary, to, written, e) : fs_name_over(temporary, to, e);
}

static bool dir_put_file(struct store *s, const char *key, const struct store_file *f, bool only_if_absent, bool *written,
                         struct error *e)
{
    struct arena a = {0};
    const char *to = fs_join(&a, dir_of(s)->folder, key);
    const char *folder = fs_dir(&a, to);
    bool ok = false;

    for (int i = 0; i < MAKE_TRIES && !ok; i++) {
        if (!fs_mkdirs(folder, e))
            continue;
        ok = copy_into(f, to, only_if_absent, &a, written, e);
        if (!ok && fs_exists(folder))
            break;
    }
    arena_free(&a);
    return ok || store_trouble(s, e);
}

/* From the start each time: a folder's reads do not break as a network's do. */
static bool copy_whole(void *ctx, FILE *sink, struct error *e)
{
    const char *from = ctx;
    char block[1 << 16];
    size_t n;
    FILE *f = fopen(from, "rbe");

    if (!f)
        return fail(e, ERR_STORE, "open %s: %s", from, strerror(errno));
    bool ok = (fseeko(sink, 0, SEEK_SET) == 0 && ftruncate(fileno(sink), 0) == 0) ||
              fail(e, ERR_INTERNAL, "truncating a temporary file: %s", strerror(errno));
    while (ok && (n = fread(block, 1, sizeof block, f)) > 0)
        ok = fwrite(block, 1, n, sink) == n || fail(e, ERR_INTERNAL, "%s", strerror(errno));
    if (ok && ferror(f))
        ok = fail(e, ERR_STORE, "read %s: %s", from, strerror(errno));
    fclose(f);
    return ok;
}

static bool dir_get_file(struct store *s, const char *key, const char *path, const uint8_t sha256[32], struct error *e)
{
    struct arena a = {0};
    char *from = fs_join(&a, dir_of(s)->folder, key);
    struct download d = {.store = s, .key = key, .path = path, .sha256 = sha256, .fetch = copy_whole, .ctx = from};
    bool ok = (fs_exists(from) || fail(e, ERR_STORE, "%s: %s does not exist", s->url, key)) && download(&d, e);
    arena_free(&a);
    return ok;
}

static bool dir_take_lock(struct store *s, struct error *e)
{
    struct dir_store *d = dir_of(s);
    if (!fs_mkdirs(d->folder, e))
        return store_trouble(s, e);
    d->is_locked = dir_lock_take(&d->lock, d->folder, DIR_LOCK_STALE_S, e);
    return d->is_locked;
}

static bool dir_keep_lock(struct store *s, bool *held, struct error *e)
{
    struct dir_store *d = dir_of(s);
    *held = d->is_locked;
    return !d->is_locked || dir_lock_keep(&d->lock, DIR_LOCK_STALE_S, held, e);
}

static void dir_release_lock(struct store *s)
{
    struct dir_store *d = dir_of(s);
    if (d->is_locked)
        dir_lock_release(&d->lock);
    d->is_locked = false;
}

/* Compare and swap, under the folder's lock. */
static bool put_if_match(struct store *s, const char *to, struct str bytes, const char *etag, bool *written,
                         struct error *e)
{
    struct arena a = {0};
    bool take = !dir_of(s)->is_locked;
    struct str old;
    char old_etag[128];

    if (!fs_exists(to))
        return true; /* nothing there: the condition does not hold */
    if (take && !dir_take_lock(s, e))
        return false;
    bool ok = true;
    if (fs_exists(to)) {
        ok = fs_read_file(to, SIZE_MAX, &a, &old, e);
        if (ok)
            etag_of(old, old_etag);
        if (ok && strcmp(old_etag, etag) == 0) {
            ok = fs_write_atomic(to, bytes, e);
            *written = ok;
        }
    }
    if (take)
        dir_release_lock(s);
    arena_free(&a);
    return ok;
}

static bool dir_put(struct store *s, const char *key, struct str bytes, const char *content_type,
                    enum store_condition when, const char *etag, bool *written, struct error *e)
{
    (void)content_type;
    struct arena a = {0};
    const char *to = fs_join(&a, dir_of(s)->folder, key);
    const char *folder = fs_dir(&a, to);
    bool ok = false;

    for (int i = 0; i < MAKE_TRIES && !ok; i++) {
        if (!fs_mkdirs(folder, e))
            continue;
        switch (when) {
        case STORE_ALWAYS:
            ok = *written = fs_write_atomic(to, bytes, e);
            break;
        case STORE_IF_ABSENT:
            ok = fs_create_exclusive(to, bytes, written, e);
            break;
        case STORE_IF_MATCH:
            ok = put_if_match(s, to, bytes, etag, written, e);
            break;
        }
        if (!ok && fs_exists(folder))
            break;
    }
    arena_free(&a);
    return ok || store_trouble(s, e);
}

/* Folders exist for their objects only, as in S3: the last one out takes them along. rmdir refuses non-empty ones. */
static void remove_empty_parents(const char *folder, const char *path, struct arena *a)
{
    const char *parent = fs_dir(a, path);
    while (strlen(parent) > strlen(folder) && rmdir(parent) == 0)
        parent = fs_dir(a, parent);
}

static bool dir_remove(struct store *s, const char *key, struct error *e)
{
    struct arena a = {0};
    const char *path = fs_join(&a, dir_of(s)->folder, key);
    const char *folder = fs_dir(&a, path);
    bool ok = true;

    if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
        ok = fail(e, ERR_STORE, "%s: remove %s: %s", s->url, key, strerror(errno));
    if (ok && fs_exists(folder)) {
        struct error ignored;
        ok = sync_folder(folder, &ignored) || !fs_exists(folder) || fail(e, ERR_STORE, "%s", ignored.message);
        remove_empty_parents(dir_of(s)->folder, path, &a);
    }
    arena_free(&a);
    return ok;
}

static bool dir_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
                     struct error *e)
{
    const char *folder = dir_of(s)->folder;
    struct fs_entry *entries = NULL;
    size_t n_entries = 0;

    if (!fs_exists(folder))
        return true;
    if (!fs_walk(folder, a, &entries, &n_entries, e))
        return store_trouble(s, e);
    *keys = ARENA_NEW(a, const char *, n_entries < limit ? n_entries : limit);
    for (size_t i = 0; i < n_entries && *n < limit; i++) {
        if (entries[i].kind == FS_FILE && str_starts(str_of(entries[i].path), prefix) &&
            store_key_is_valid(entries[i].path))
            (*keys)[(*n)++] = entries[i].path;
    }
    return true;
}

static bool dir_clear(struct store *s, struct error *e)
{
    return fs_remove_tree(dir_of(s)->folder, e) || store_trouble(s, e);
}

static void dir_tidy_up(struct store *s)
{
    dir_tidy(dir_of(s)->folder, DIR_TIDY_AGE_S);
}

static const struct store_backend dir_backend = {
    .lock = dir_take_lock,
    .lock_keep = dir_keep_lock,
    .unlock = dir_release_lock,
    .clear = dir_clear,
    .tidy = dir_tidy_up,
    .close = dir_close,
    .object_url = dir_object_url,
    .get = dir_get,
    .stat = dir_stat,
    .age = dir_age,
    .digest = dir_digest,
    .put_file = dir_put_file,
    .get_file = dir_get_file,
    .put = dir_put,
    .remove = dir_remove,
    .list = dir_list,
};

bool dir_open(const struct store_options *o, struct store **out, struct error *e)
{
    struct arena a = {0};
    const char *folder = o->url + strlen("file://");
    char cwd[PATH_MAX];
    bool ok = true;

    if (!folder[0])
        ok = fail(e, ERR_CONFIG, "store: file:// names no folder: write file://models or file:///srv/models");
    const char *path = fs_join(&a, o->workspace ? o->workspace : "", folder);
    if (ok && path[0] != '/' && getcwd(cwd, sizeof cwd))
        path = fs_join(&a, cwd, path);
    struct fs_stat st;
    ok = ok && fs_stat(path, true, &st, e);
    if (ok && st.kind != FS_ABSENT && st.kind != FS_DIR)
        ok = fail(e, ERR_CONFIG, "store: %s is not a folder", path);
    if (ok) {
        struct dir_store *d = mem_alloc(sizeof *d);
        size_t n = strlen(path);
        d->folder = store_strdup(path);
        while (n > 1 && d->folder[n - 1] == '/')
            d->folder[--n] = 0;
        d->base.backend = &dir_backend;
        d->base.url = store_strdup(o->url);
        *out = &d->base;
    }
    arena_free(&a);
    return ok;
}
