#include "fuzz.h"

#include <string.h>

#include "cloud/retry.h"
#include "store/s3_error.h"

static bool is_printable(const char *s)
{
    for (; *s; s++) {
        if (*s <= ' ' || *s > '~')
            return false;
    }
    return true;
}

/* A reply as it comes from the network: "STATUS\n", header lines, an empty line, the body. What we make of it goes into
 * waits, signatures, file sizes and error messages. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"ETag", "Content-Length", "x-amz-bucket-region", "Date", "x-amz-meta-sha256"};
    struct str rest = {(const char *)data, size}, first = {0};
    struct http_response r = {.status = 200};
    uint64_t number;

    if (str_cut(&rest, '\n', &first) && str_to_uint64(first, &number) && number < 1000)
        r.status = (int)number;
    const char *end = memmem(rest.p, rest.n, "\r\n\r\n", 4);
    r.headers = end ? (struct str){rest.p, (size_t)(end - rest.p)} : rest;
    r.body = end ? (struct str){end + 4, rest.n - r.headers.n - 4} : (struct str){0};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct str value = http_header(&r, names[i]);
        PROMISE(!value.n || (value.p >= rest.p && value.p + value.n <= rest.p + rest.n));
        PROMISE(!value.n || !memchr(value.p, '\n', value.n));
    }
    double wait_s = retry_after(&r, 1700000000), slept_s;
    PROMISE(wait_s == -1 || wait_s >= 0);
    if (retry_wait(1, 6, 0, wait_s, 0.5, &slept_s))
        PROMISE(slept_s >= 0 && slept_s <= RETRY_AFTER_CAP_SECONDS);

    struct s3_reply_error what;
    bool is_error;
    s3_read_error(&r, &what, &is_error);
    PROMISE(is_error || r.status / 100 == 2);
    PROMISE(is_printable(what.code) && is_printable(what.region) && is_printable(what.request_id));
    retry_classify(r.status, what.code);

    struct error e = {0};
    struct s3_error_place place = {.store_url = "s3://b/p", .method = "GET", .key = "k", .bucket = "b", .endpoint = "e",
                                   .credentials = "environment", .why_anonymous = ""};
    PROMISE(!s3_fail(&e, ERR_STORE, &place, r.status, &what) && e.message[0]);
    PROMISE(!strpbrk(e.message, "\r\n") && str_is_utf8(str_of(e.message)));
    return 0;
}
