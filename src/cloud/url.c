#include "cloud/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

bool url_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    struct str h = str_of(host);

    if (str_is(h, "localhost") || str_ends(h, ".localhost"))
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool url_host_is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static bool is_host_byte(char c, bool in_brackets)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_' || (in_brackets && c == ':');
}

static bool split_host(struct str authority, struct str *host, struct str *port)
{
    bool in_brackets = authority.n && authority.p[0] == '[';
    size_t end = in_brackets ? 1 : 0, from = end;

    while (end < authority.n && is_host_byte(authority.p[end], in_brackets))
        end++;
    *host = str_slice(authority, from, end);
    if (in_brackets && (end >= authority.n || authority.p[end++] != ']'))
        return false;
    *port = str_slice(authority, end, authority.n);
    return host->n > 0 && host->n < 254;
}

bool url_parse(const char *text, const char *what, struct arena *a, struct url *out, struct error *e)
{
    struct str all = str_trim(str_of(text)), host, port;
    uint64_t number = 0;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < all.n; i++) {
        if ((unsigned char)all.p[i] <= ' ' || all.p[i] == 0x7f)
            return fail(e, ERR_CONFIG, "%s: \"%.200s\" holds a blank or control character", what, text);
    }
    out->is_https = str_starts(all, "https://");
    if (!out->is_https && !str_starts(all, "http://"))
        return fail(e, ERR_CONFIG, "%s: \"%.200s\" does not begin with https:// (or http://)", what, text);

    struct str rest = str_slice(all, out->is_https ? 8 : 7, all.n);
    size_t n = 0;
    while (n < rest.n && !strchr("/?#", rest.p[n]))
        n++;
    struct str authority = str_slice(rest, 0, n);
    if (memchr(rest.p, '@', n))
        return fail(e, ERR_CONFIG, "%s: a user name or password in the address is not supported", what);
    if (!split_host(authority, &host, &port))
        return fail(e, ERR_CONFIG, "%s: \"%.200s\" has no usable host name", what, text);
    if (port.n && (port.p[0] != ':' || !str_to_uint64(str_slice(port, 1, port.n), &number) || !number || number > 65535))
        return fail(e, ERR_CONFIG, "%s: \"%.200s\" has no usable port", what, text);

    char *lower = str_dup(a, host);
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    bool is_default = number == (out->is_https ? 443u : 80u) || number == 0;
    const char *bracketed = strchr(lower, ':') ? arena_printf(a, "[%s]", lower) : lower;
    out->host = lower;
    out->authority = is_default ? bracketed : arena_printf(a, "%s:%u", bracketed, (unsigned)number);
    out->path = str_dup(a, str_slice(rest, n, rest.n));
    return true;
}

char *url_resolve(const char *base, struct str location, struct arena *a)
{
    struct str to = str_trim(location), from = str_of(base);
    size_t scheme = str_starts(from, "https://") ? 8 : 7, host = scheme, path;

    for (size_t i = 0; i < to.n; i++) {
        if ((unsigned char)to.p[i] <= ' ' || to.p[i] == 0x7f)
            return NULL;
    }
    str_cut(&(struct str){to.p, to.n}, '#', &to);
    while (host < from.n && !strchr("/?#", from.p[host]))
        host++;
    if (str_starts(to, "https://") || str_starts(to, "http://"))
        return str_dup(a, to);
    if (str_starts(to, "//"))
        return arena_printf(a, STR_FMT STR_FMT, (int)scheme - 2, from.p, STR_ARG(to));
    if (str_starts(to, "/"))
        return arena_printf(a, STR_FMT STR_FMT, (int)host, from.p, STR_ARG(to));
    size_t colon = 0;
    while (colon < to.n && !strchr(":/?", to.p[colon]))
        colon++;
    if (!to.n || (colon < to.n && to.p[colon] == ':'))
        return NULL; /* another scheme */
    /* Relative to the last folder of the path. */
    path = host;
    while (path < from.n && !strchr("?#", from.p[path]))
        path++;
    while (path > host && from.p[path - 1] != '/')
        path--;
    return arena_printf(a, STR_FMT "%s" STR_FMT, (int)path, from.p, path == host ? "/" : "", STR_ARG(to));
}
