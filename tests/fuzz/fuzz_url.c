#include "fuzz.h"

#include <string.h>

#include "cloud/url.h"
#include "core/str.h"
#include "store/s3_address.h"

static void check_error(const struct error *e)
{
    PROMISE(e->code == ERR_CONFIG && e->message[0] && str_is_utf8(str_of(e->message)));
}

/* What of an address reaches a Host header or a request line. */
static bool is_safe(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || *s == 0x7f)
            return false;
    }
    return true;
}

/* "ENDPOINT\nREGION\nSTORE\nSTYLE" */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct url u, again;
    struct s3_location at;
    struct s3_address where;
    enum s3_style style;
    struct str rest = {(const char *)data, size}, parts[4] = {{0}};
    for (size_t i = 0; i < 4; i++)
        str_cut(&rest, '\n', &parts[i]);
    const char *endpoint = str_dup(&a, parts[0]), *region = str_dup(&a, parts[1]), *store = str_dup(&a, parts[2]);

    if (url_parse(endpoint, "endpoint-url", &a, &u, &e)) {
        PROMISE(u.host[0] && is_safe(u.host) && is_safe(u.authority) && is_safe(u.path) && !strchr(u.host, '/'));
        PROMISE(!u.path[0] || strchr("/?#", u.path[0]));
        const char *text = arena_printf(&a, "%s://%s%s", u.is_https ? "https" : "http", u.authority, u.path);
        PROMISE(url_parse(text, "again", &a, &again, &e) && u.is_https == again.is_https);
        PROMISE(!strcmp(u.host, again.host) && !strcmp(u.authority, again.authority) && !strcmp(u.path, again.path));
    } else {
        check_error(&e);
    }
    url_host_is_loopback(endpoint);
    s3_endpoint_is_aws(endpoint);
    if (!s3_parse_style(str_dup(&a, parts[3]), &style, &e)) {
        check_error(&e);
        style = S3_AUTO;
    }
    if (!s3_parse_url(arena_printf(&a, "s3://%s", store), &a, &at, &e)) {
        check_error(&e);
    } else {
        PROMISE(strlen(at.bucket) >= 3 && !strpbrk(at.bucket, "/?#@: "));
        PROMISE(str_is_utf8(str_of(at.prefix)) && !strstr(at.prefix, "//"));
        if (!s3_address(endpoint, region, at.bucket, style, &a, &where, &e))
            check_error(&e);
        else
            PROMISE(is_safe(where.base) && is_safe(where.root) && (!where.root[0] || where.root[0] == '/') &&
                    is_safe(where.authority) && url_parse(where.base, "address", &a, &u, &e));
    }
    arena_free(&a);
    return 0;
}
