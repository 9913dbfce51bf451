#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "dataset/dataset.h"
#include "dataset/draft.h"

/* A pointer is shorter than this, so that a file of at most this size is looked into. */
#define SMALL_BYTES 1024

struct hashed {
    const char *path;
    uint8_t sum[SHA256_BYTES];
    uint64_t n_bytes;
};

/* The first failure by file order is the one that is told, whichever worker meets it first. */
struct trouble {
    int item; /* of the files; n_files = none */
    struct error error;
};

struct hashing {
    const char *folder;
    struct hashed *files;
    struct trouble *troubles; /* per worker */
    struct arena *scratch;    /* per worker */
};

static bool hash_file(const char *folder, struct hashed *f, uint64_t said_bytes, struct arena *scratch, struct error *e)
{
    char *path = fs_join(scratch, folder, f->path);
    if (said_bytes > SMALL_BYTES)
        return sha256_file(path, f->sum, &f->n_bytes, e);
    struct str text;
    if (!fs_read_file(path, SMALL_BYTES, scratch, &text, e))
        return false;
    if (is_lfs_pointer(text))
        return fail(e, ERR_DATA,
                    "%s is a Git LFS pointer, not the file itself: run `git lfs pull` (in CI: checkout with lfs: true)",
                    path);
    sha256_of(text.p, text.n, f->sum);
    f->n_bytes = text.n;
    return true;
}

static void hash_item(void *ctx, int item, int worker)
{
    struct hashing *h = ctx;
    struct error e;
    struct arena *scratch = &h->scratch[worker];
    struct hashed *f = &h->files[item];
    bool ok = hash_file(h->folder, f, f->n_bytes, scratch, &e);
    arena_reset(scratch);
    if (!ok && item < h->troubles[worker].item)
        h->troubles[worker] = (struct trouble){item, e};
}

/* What may not be in a dataset, by name and kind. */
static bool check_entry(const char *folder, const struct fs_entry *entries, size_t n, size_t i, struct error *e)
{
    const char *path = entries[i].path;
    if (entries[i].kind == FS_LINK)
        return fail(e, ERR_DATA,
                    "%s/%s is a symbolic link: put the file itself there, links inside a dataset have no checksum",
                    folder, path);
    if (strpbrk(path, "\n\r\\"))
        return fail(e, ERR_DATA, "%s/%s: a newline or backslash in a file name cannot be in a manifest: rename it",
                    folder, path);
    if (entries[i].kind == FS_OTHER)
        return fail(e, ERR_DATA, "%s/%s is not a regular file: remove it", folder, path);
    if (entries[i].kind == FS_FILE && is_dvc_stub(entries, n, path))
        return fail(e, ERR_DATA, "%s/%s stands in place of data that is not here: run `dvc pull` first", folder, path);
    return true;
}

static void write_manifest(const struct hashed *files, int n_files, struct arena *a, struct manifest *out)
{
    size_t n = 0;
    for (int i = 0; i < n_files; i++)
        n += 2 * SHA256_BYTES + 2 + strlen(files[i].path) + 1;
    char *text = arena_alloc(a, n + 1), *p = text;
    *out = (struct manifest){.text = text, .n = n, .n_files = n_files};
    for (int i = 0; i < n_files; i++) {
        size_t n_path = strlen(files[i].path);
        hex_encode(files[i].sum, SHA256_BYTES, p);
        p += 2 * SHA256_BYTES;
        memcpy(p, "  ", 2);
        memcpy(p + 2, files[i].path, n_path);
        p[2 + n_path] = '\n';
        p += 2 + n_path + 1;
        out->n_bytes += files[i].n_bytes;
    }
    uint8_t sum[SHA256_BYTES];
    sha256_of(text, n, sum);
    hex_encode(sum, SHA256_BYTES, out->checksum);
}

static bool hash_all(const char *folder, struct hashed *files, int n_files, struct pool *pool, struct error *e)
{
    int n_workers = pool ? pool_size(pool) : 1, first = -1;
    struct hashing h = {folder, files, mem_alloc(mem_mul((size_t)n_workers, sizeof(struct trouble))),
                        mem_alloc(mem_mul((size_t)n_workers, sizeof(struct arena)))};
    for (int w = 0; w < n_workers; w++)
        h.troubles[w].item = n_files;
    pool_run(pool, n_files, hash_item, &h);
    for (int w = 0; w < n_workers; w++) {
        if (h.troubles[w].item < n_files && (first < 0 || h.troubles[w].item < h.troubles[first].item))
            first = w;
        arena_free(&h.scratch[w]);
    }
    if (first >= 0)
        *e = h.troubles[first].error;
    mem_free(h.scratch);
    mem_free(h.troubles);
    return first < 0;
}

bool dataset_manifest(const char *folder, struct pool *pool, struct arena *a, struct manifest *out, struct error *e)
{
    struct fs_stat st;
    struct fs_entry *entries;
    size_t n_entries;
    struct arena scratch = {0};
    bool ok = false;
    if (!fs_stat(folder, true, &st, e))
        return false;
    if (st.kind != FS_DIR)
        return fail(e, ERR_DATA, "dataset folder %s %s: name the folder with the option `dataset`", folder,
                    st.kind == FS_ABSENT ? "does not exist" : "is not a folder");
    if (!fs_walk(folder, &scratch, &entries, &n_entries, e))
        goto done;

    struct hashed *files = ARENA_NEW(&scratch, struct hashed, n_entries);
    int n_files = 0;
    for (size_t i = 0; i < n_entries; i++) {
        if (!check_entry(folder, entries, n_entries, i, e))
            goto done;
        if (entries[i].kind == FS_FILE)
            files[n_files++] = (struct hashed){.path = entries[i].path, .n_bytes = entries[i].size_bytes};
    }
    if (n_files == 0) {
        fail(e, ERR_DATA,
             "dataset folder %s has no files: add images and labels, or name another with the option `dataset`",
             folder);
        goto done;
    }
    ok = hash_all(folder, files, n_files, pool, e);
    if (ok)
        write_manifest(files, n_files, a, out);
done:
    arena_free(&scratch);
    return ok;
}
