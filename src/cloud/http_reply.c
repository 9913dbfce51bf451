#include "cloud/http_reply.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct str http_find_header(struct str lines, const char *name)
{
    struct str line, field;
    size_t n = strlen(name);

    while (str_cut(&lines, '\n', &line)) {
        struct str value = line;
        if (str_cut(&value, ':', &field) && field.n == n && strncasecmp(field.p, name, n) == 0)
            return str_trim(value);
    }
    return (struct str){0};
}

struct str http_header(const struct http_response *r, const char *name)
{
    return http_find_header(r->headers, name);
}

static bool cut(struct http_sink *s, uint64_t n_bytes)
{
    /* EINVAL: a device such as /dev/null. */
    bool ok = fflush(s->file) == 0 && fseeko(s->file, (off_t)n_bytes, SEEK_SET) == 0 &&
              (ftruncate(fileno(s->file), (off_t)n_bytes) == 0 || errno == EINVAL);
    if (!ok)
        s->error = errno ? errno : EIO;
    return ok;
}

bool http_sink_begin(struct http_sink *s)
{
    return !s->file || cut(s, s->from);
}

/* "bytes 1000-1999/2000" (RFC 9110, 14.4): only the first number matters, the end is told by the length. */
static bool begins_at(struct str range, uint64_t from)
{
    struct str number;
    uint64_t first;
    range = str_slice(range, strlen("bytes "), range.n);
    return str_cut(&range, '-', &number) && str_to_uint64(number, &first) && first == from;
}

bool http_sink_write(struct http_sink *s, long status, struct str headers, const void *p, size_t n)
{
    if (!s->is_ready) {
        s->is_ready = true;
        s->is_wrong_range = status == 206 && (!s->from || !begins_at(http_find_header(headers, "Content-Range"), s->from));
        if (s->is_wrong_range || (status != 206 && s->from && !cut(s, 0)))
            return false;
    }
    if (fwrite(p, 1, n, s->file) == n)
        return true;
    s->error = errno ? errno : EIO;
    return false;
}
