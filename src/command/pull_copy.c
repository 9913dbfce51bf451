#include "command/pull_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/hash.h"

#define LIMIT_MANIFEST_BYTES (4u << 20)
#define STATE_SCHEMA 1

static const char *text_of(const struct json *v, const char *key)
{
    return json_string(json_get(v, key), "");
}

/* --- where ---------------------------------------------------------------------------------------------------- */

static bool place(struct pull_copy *c, const char *output, struct error *e)
{
    struct fs_stat st;
    char real[PATH_MAX];
    bool is_model = !strcmp(fs_ext(output), ".onnx") || !strcmp(fs_ext(output), ".safetensors");

    c->output = output;
    if (!fs_stat(output, true, &st, e))
        return false;
    if (st.kind == FS_OTHER)
        return fail(e, ERR_CONFIG, "pull: --output %s is neither a file nor a folder", output);
    if (st.kind == FS_DIR || (st.kind == FS_ABSENT && !is_model)) {
        c->folder = output;
        c->work = fs_join(c->arena, output, ".pull");
        return true;
    }
    /* A link stays and the file that it leads to is replaced. */
    c->file = st.kind == FS_FILE && realpath(output, real) ? arena_strdup(c->arena, real) : output;
    c->only = !strcmp(fs_ext(output), ".safetensors") ? "model.safetensors" : "model.onnx";
    c->folder = fs_dir(c->arena, c->file);
    c->work = fs_join(c->arena, c->folder, arena_printf(c->arena, ".%s.pull", fs_base(c->file)));
    return true;
}

static const char *state_path(const struct pull_copy *c)
{
    return fs_join(c->arena, c->work, "state.json");
}

static struct json *read_json(const struct pull_copy *c, const char *path)
{
    struct error ignored;
    struct str text;
    struct json *out = NULL;
    bool ok = fs_exists(path) && fs_read_file(path, LIMIT_MANIFEST_BYTES, c->arena, &text, &ignored) &&
              json_parse(text, path, &out, &ignored);
    return ok ? out : NULL;
}

bool pull_copy_open(struct pull_copy *c, const char *output, const char *store, struct arena *a, struct error *e)
{
    int64_t schema = 0;

    *c = (struct pull_copy){.store = store, .arena = a, .lock_fd = -1};
    if (!place(c, output, e))
        return false;
    c->state = read_json(c, state_path(c));
    json_int64(json_get(c->state, "schema"), &schema);
    if (schema != STATE_SCHEMA || strcmp(text_of(c->state, "store"), store)) {
        json_free(c->state);
        c->state = NULL;
    }
    return true;
}

void pull_copy_close(struct pull_copy *c)
{
    json_free(c->state);
    c->state = NULL;
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    c->lock_fd = -1;
}

/* --- what is there -------------------------------------------------------------------------------------------- */

const struct json *pull_copy_manifest(const struct pull_copy *c)
{
    return json_get(c->state, "manifest");
}

const char *pull_copy_etag(const struct pull_copy *c, const char *key)
{
    return strcmp(text_of(c->state, "key"), key) ? "" : text_of(c->state, "etag");
}

const struct json *pull_copy_artifact(const struct pull_copy *c, const struct json *manifest, size_t i)
{
    const struct json *all = json_get(manifest, "artifacts");
    if (!c->only)
        return json_at(all, i);
    for (size_t k = 0; i == 0 && k < json_len(all); k++) {
        if (!strcmp(text_of(json_at(all, k), "name"), c->only))
            return json_at(all, k);
    }
    return NULL;
}

static const char *path_of(const struct pull_copy *c, const struct json *artifact)
{
    return c->file ? c->file : fs_join(c->arena, c->folder, fs_base(text_of(artifact, "name")));
}

static const struct json *record_of(const struct pull_copy *c, const char *name)
{
    const struct json *files = json_get(c->state, "files");
    for (size_t i = 0; i < json_len(files); i++) {
        if (!strcmp(text_of(json_at(files, i), "name"), name))
            return json_at(files, i);
    }
    return NULL;
}

static const char *mtime_text(const struct pull_copy *c, const struct fs_stat *st)
{
    return arena_printf(c->arena, "%lld.%09ld", (long long)st->mtime.tv_sec, st->mtime.tv_nsec);
}

static bool file_has_sum(const char *path, const char *sha256)
{
    struct error ignored;
    uint8_t sum[SHA256_BYTES];
    uint64_t size_bytes;
    char hex[SHA256_HEX];

    if (!sha256_file(path, sum, &size_bytes, &ignored))
        return false;
    hex_encode(sum, sizeof sum, hex);
    return !strcmp(hex, sha256);
}

bool pull_copy_has(const struct pull_copy *c, const struct json *artifact)
{
    const char *path = path_of(c, artifact), *sha256 = text_of(artifact, "sha256");
    const struct json *record = record_of(c, text_of(artifact, "name"));
    struct error ignored;
    struct fs_stat st;

    if (!fs_stat(path, true, &st, &ignored) || st.kind != FS_FILE ||
        (double)st.size_bytes != json_number(json_get(artifact, "size"), -1))
        return false;
    bool is_as_recorded = !strcmp(text_of(record, "sha256"), sha256) && !strcmp(text_of(record, "mtime"), mtime_text(c, &st));
    return is_as_recorded || file_has_sum(path, sha256);
}

bool pull_copy_has_all(const struct pull_copy *c, const struct json *manifest)
{
    const struct json *artifact;
    size_t i = 0;
    while ((artifact = pull_copy_artifact(c, manifest, i)) && pull_copy_has(c, artifact))
        i++;
    return i && !artifact;
}

/* --- what comes ----------------------------------------------------------------------------------------------- */

/* LOCK_SH while files are on their way; LOCK_EX, for moments, to throw away what is nobody's. */
static bool lock(struct pull_copy *c, int kind)
{
    if (c->lock_fd < 0)
        c->lock_fd = open(c->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return c->lock_fd >= 0 && flock(c->lock_fd, kind) == 0;
}

bool pull_copy_prepare(struct pull_copy *c, const struct json *artifact, const char **path, bool *is_there, struct error *e)
{
    const char *sha256 = text_of(artifact, "sha256");

    if (!fs_mkdirs(c->work, e))
        return false;
    lock(c, LOCK_SH);
    *path = fs_join(c->arena, c->work, sha256);
    *is_there = file_has_sum(*path, sha256);
    return true;
}

static bool move_into_place(const struct pull_copy *c, const struct json *artifact, struct error *e)
{
    const char *to = path_of(c, artifact), *from = fs_join(c->arena, c->work, text_of(artifact, "sha256"));
    struct stat old;

    /* Who may read the model is the application's decision; only a new file gets the usual mode. */
    if (stat(to, &old) == 0 && S_ISREG(old.st_mode))
        (void)!chmod(from, old.st_mode & 0777);
    if (rename(from, to) == 0)
        return true;
    int why = errno;
    /* Another pull at the same time may have moved it, which is as good. */
    if (why == ENOENT && file_has_sum(to, text_of(artifact, "sha256")))
        return true;
    return fail(e, ERR_INTERNAL, "rename %s to %s: %s", from, to, strerror(why));
}

static struct json *describe(const struct pull_copy *c, const struct json *manifest)
{
    struct json *files = json_new_array();
    const struct json *artifact;
    struct error ignored;
    struct fs_stat st;

    for (size_t i = 0; (artifact = pull_copy_artifact(c, manifest, i)); i++) {
        struct json *record = json_new_object();
        json_set(record, "name", json_new_string(text_of(artifact, "name")));
        json_set(record, "sha256", json_new_string(text_of(artifact, "sha256")));
        if (fs_stat(path_of(c, artifact), true, &st, &ignored) && st.kind == FS_FILE)
            json_set(record, "mtime", json_new_string(mtime_text(c, &st)));
        json_append(files, record);
    }
    return files;
}

/* Not written when it says so already: a copy that is current may lie on a disk that is read only. */
static bool write_changed(const struct pull_copy *c, const char *path, const struct json *v, struct error *e)
{
    struct str_buf text = STR_BUF(2 * LIMIT_MANIFEST_BYTES);
    struct error ignored;
    struct str old;
    json_write(v, true, &text);
    bool is_same = fs_exists(path) && fs_read_file(path, text.n + 1, c->arena, &old, &ignored) &&
                   str_eq(old, str_buf_view(&text));
    bool ok = is_same || (fs_mkdirs(fs_dir(c->arena, path), e) && fs_write_atomic(path, str_buf_view(&text), e));
    str_buf_free(&text);
    return ok;
}

static bool write_state(const struct pull_copy *c, const struct json *manifest, const char *key, const char *etag,
                        struct error *e)
{
    struct json *state = json_new_object();
    json_set(state, "schema", json_new_int(STATE_SCHEMA));
    json_set(state, "store", json_new_string(c->store));
    json_set(state, "key", json_new_string(key));
    json_set(state, "etag", json_new_string(etag));
    json_set(state, "files", describe(c, manifest));
    json_set(state, "manifest", json_copy(manifest));
    bool ok = write_changed(c, state_path(c), state, e);
    json_free(state);
    return ok;
}

/* What killed pulls left, unless another one is at work here. */
static void tidy(struct pull_copy *c)
{
    struct dirent *entry;
    DIR *dir = lock(c, LOCK_EX | LOCK_NB) ? opendir(c->work) : NULL;

    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, "state.json"))
            unlinkat(c->lock_fd, entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

/* A folder holds the files of one version: those that only the version before had go. */
static void remove_dropped(const struct pull_copy *c, const struct json *manifest)
{
    const struct json *had = json_get(c->state, "files");
    struct error ignored;

    for (size_t i = 0; !c->only && i < json_len(had); i++) {
        const char *name = text_of(json_at(had, i), "name");
        const struct json *artifact;
        size_t k = 0;
        while ((artifact = pull_copy_artifact(c, manifest, k)) && strcmp(text_of(artifact, "name"), name))
            k++;
        if (!artifact && *name && *name != '.' && !strchr(name, '/'))
            (void)!fs_remove(fs_join(c->arena, c->folder, name), &ignored);
    }
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
}

bool pull_copy_replace(struct pull_copy *c, const struct json *manifest, const char *key, const char *etag, struct error *e)
{
    const char *list = fs_join(c->arena, c->folder, "manifest.json");
    const struct json *artifact;
    bool ok = true;

    if (!pull_copy_has_all(c, manifest)) {
        /* An old manifest beside new files would lie if we were killed now. */
        ok = c->only || fs_remove(list, e);
        for (size_t i = 0; ok && (artifact = pull_copy_artifact(c, manifest, i)); i++)
            ok = pull_copy_has(c, artifact) || move_into_place(c, artifact, e);
        if (ok)
            remove_dropped(c, manifest);
        sync_folder(c->folder); /* the record below shall not survive a power cut without what it describes */
    }
    ok = ok && (c->only || write_changed(c, list, manifest, e)) && write_state(c, manifest, key, etag, e);
    if (ok)
        tidy(c);
    return ok;
}
