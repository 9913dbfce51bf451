/* The parts of a reply that need nothing of libcurl: its headers, and the file that its body goes to. */
#ifndef CLOUD_HTTP_REPLY_H
#define CLOUD_HTTP_REPLY_H

#include "cloud/http.h"

/* The first of that name among raw header lines, any case; the empty view when there is none. */
struct str http_find_header(struct str lines, const char *name);

struct http_sink {
    FILE *file; /* NULL = bodies stay in memory */
    uint64_t from; /* bytes of it that stay when the reply goes on after them */
    bool is_ready, is_wrong_range;
    int error; /* errno of what failed on our side; 0 = nothing */
};
/* Before a request: the file ends after `from`. */
bool http_sink_begin(struct http_sink *s);
/* A piece of a 2xx reply's body: the first one decides whether the reply goes on or brings the whole again. False: it
 * cannot be taken; is_wrong_range or error says why. */
bool http_sink_write(struct http_sink *s, long status, struct str headers, const void *p, size_t n);

#endif
