#include "store/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"

/* A line that breaks again and again is not given up while each round of tries brings so much. */
#define PROGRESS_BYTES (1u << 20)
#define NAME_DIGITS 24 /* of the checksum */

struct part {
    const char *path; /* in the arena */
    FILE *file;
    bool is_shared; /* has the name that the next process looks for */
};

static uint64_t part_size(const struct part *p)
{
    struct stat st;
    fflush(p->file);
    return fstat(fileno(p->file), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Opens and locks the temporary that is bound to the checksum. -1: somebody else is at it, or locks do not work here. A
 * holder renames or removes it, so after the lock the name must still be this file's. */
static int open_locked(const char *path)
{
    for (int i = 0; i < 8; i++) {
        struct stat opened, named;
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &opened)) {
            close(fd);
            return -1;
        }
        if (stat(path, &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
            return fd;
        close(fd);
    }
    return -1;
}

static bool part_open(const struct download *d, struct part *p, struct arena *a, struct error *e)
{
    const char *folder = fs_dir(a, d->path);
    char hex[SHA256_HEX];
    uint8_t dice[8];
    int fd = -1;

    if (d->sha256) {
        hex_encode(d->sha256, SHA256_BYTES, hex);
        hex[NAME_DIGITS] = 0;
        p->path = fs_join(a, folder, arena_printf(a, ".%s.part", hex));
        fd = open_locked(p->path);
    }
    p->is_shared = fd >= 0;
    if (fd < 0) {
        random_bytes(dice, sizeof dice);
        hex_encode(dice, sizeof dice, hex);
        p->path = fs_join(a, folder, arena_printf(a, ".%s.part", hex));
        fd = open(p->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0)
            (void)!flock(fd, LOCK_EX | LOCK_NB); /* says that it is in use, where locks work */
    }
    if (fd < 0)
        return fail(e, ERR_INTERNAL, "write %s: %s", d->path, strerror(errno));
    p->file = fdopen(fd, "r+b");
    if (!p->file)
        BUG("fdopen: %s", strerror(errno));
    fseeko(p->file, 0, SEEK_END);
    return true;
}

static bool part_clear(const struct part *p, struct error *e)
{
    clearerr(p->file);
    rewind(p->file);
    return ftruncate(fileno(p->file), 0) == 0 || fail(e, ERR_INTERNAL, "truncate %s: %s", p->path, strerror(errno));
}

static bool part_is_right(const struct download *d, const struct part *p, bool *is_right, struct error *e)
{
    uint8_t sum[SHA256_BYTES];
    uint64_t size_bytes;

    *is_right = true;
    if (!d->sha256)
        return true;
    if (!sha256_file(p->path, sum, &size_bytes, e))
        return false;
    *is_right = memcmp(sum, d->sha256, sizeof sum) == 0;
    return true;
}

static bool fetch_all(const struct download *d, const struct part *p, struct error *e)
{
    for (uint64_t most = part_size(p);;) {
        if (d->fetch(d->ctx, p->file, e)) {
            return fflush(p->file) == 0 || fail(e, ERR_INTERNAL, "write %s: %s", d->path, strerror(errno));
        }
        if (ferror(p->file)) {
            e->code = ERR_INTERNAL; /* whatever the transfer says: it is our disk */
            return fail_in(e, "write %s", d->path);
        }
        uint64_t size = part_size(p);
        if (e->code != ERR_NET || size < most + PROGRESS_BYTES || stop_requested())
            return false;
        most = size;
        log_debug("%s: %s broke after %" PRIu64 " bytes, going on from there", store_url(d->store), d->key, size);
    }
}

/* Fetches and compares; what went wrong on top of an old beginning is tried once more without it. */
static bool fetch_verified(const struct download *d, const struct part *p, struct error *e)
{
    uint64_t had = part_size(p);
    bool is_right = false;

    if (had && d->sha256 && !part_is_right(d, p, &is_right, e))
        return false;
    if (had && is_right)
        return true; /* killed between the last byte and the rename */
    if (had)
        log_info("%s: going on with the download of %s after %" PRIu64 " bytes", store_url(d->store), d->key, had);
    for (int i = 0; i < 2; i++) {
        if (!fetch_all(d, p, e)) {
            if (i || e->code != ERR_STORE || !part_size(p))
                return false;
            error_clear(e);
        } else if (!part_is_right(d, p, &is_right, e)) {
            return false;
        } else if (is_right) {
            return true;
        }
        log_debug("%s: %s: starting over", store_url(d->store), d->key);
        if (!part_clear(p, e))
            return false;
    }
    return fail(e, ERR_STORE, "%s: %s holds other bytes than its manifest says (SHA-256 differs): publish it again",
                store_url(d->store), d->key);
}

static bool place(const struct download *d, const struct part *p, struct arena *a, struct error *e)
{
    if (fsync(fileno(p->file)) && errno != EINVAL)
        return fail(e, ERR_INTERNAL, "write %s: %s", d->path, strerror(errno));
    if (rename(p->path, d->path))
        return fail(e, ERR_INTERNAL, "rename %s to %s: %s", p->path, d->path, strerror(errno));
    int fd = open(fs_dir(a, d->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* the name survives a power cut where the file system can promise that */
        close(fd);
    }
    return true;
}

bool download(const struct download *d, struct error *e)
{
    struct arena a = {0};
    struct part p = {0};
    bool ok = part_open(d, &p, &a, e);

    if (ok) {
        ok = fetch_verified(d, &p, e) && place(d, &p, &a, e);
        /* A disk that is full shall not stay so because of us. */
        bool keeps = !ok && p.is_shared && part_size(&p) > 0 && (e->code == ERR_NET || e->code == ERR_STOPPED);
        if (!ok && !keeps)
            unlink(p.path);
        fclose(p.file);
    }
    arena_free(&a);
    return ok;
}

void download_read_etag(const struct http_response *reply, char etag[128])
{
    struct str tag = http_header(reply, "ETag");
    if (tag.n && tag.n < 128) {
        memcpy(etag, tag.p, tag.n);
        etag[tag.n] = 0;
    }
}

void download_go_on(struct http_request *request, const struct http_response *last, char etag[128], struct arena *a)
{
    struct stat st;

    download_read_etag(last, etag);
    fflush(request->sink);
    if (fstat(fileno(request->sink), &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
        return;
    request->sink_from = (uint64_t)st.st_size;
    http_add_header(request, "Range", arena_printf(a, "bytes=%" PRIu64 "-", request->sink_from));
    if (etag[0] == '"') /* a weak one is no promise about bytes: RFC 9110, 13.1.5; the checksum is */
        http_add_header(request, "If-Range", arena_strdup(a, etag));
}
