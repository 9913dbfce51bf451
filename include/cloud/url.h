/* Addresses of services: only as much of a URL as an endpoint has. */
#ifndef CLOUD_URL_H
#define CLOUD_URL_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/str.h"

struct url {
    bool is_https;
    const char *host;      /* lower case, without brackets or port */
    const char *authority; /* as in the Host header: brackets kept, the scheme's own port dropped */
    const char *path;      /* from the first '/' on, with the query; "" when there is none */
};

/* http and https only; no user name in it. `what` names the URL in errors ("endpoint-url"): ERR_CONFIG. */
MUST_CHECK bool url_parse(const char *text, const char *what, struct arena *a, struct url *out, struct error *e);

/* Where a reply from `base` (an absolute URL) says to look instead: its Location, absolute or relative (RFC 3986, 5.2,
 * dot segments are left to the server). Without a fragment. NULL when it leads to no http or https URL. */
char *url_resolve(const char *base, struct str location, struct arena *a);

bool url_host_is_loopback(const char *host); /* localhost, *.localhost, 127/8, ::1 */
bool url_host_is_address(const char *host);  /* an IPv4 or IPv6 address */

#endif
