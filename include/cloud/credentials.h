/* Who we are for a cloud service. The first source that has something is used, and asked again before it expires:
 *
 *     environment keys -> OIDC web identity (GitHub, GitLab, token file) -> profile of the shared config and credentials
 *     files (keys, roles, credential_process) -> container endpoint -> instance metadata -> anonymous
 *
 * A role to assume is assumed with an identity token, or with the keys of whatever other source comes first; an
 * environment session, which cannot be renewed, gives way to an identity token then. docs/credentials.md tells it to users.
 *
 * Secrets fetched from a service are masked in the host's log at once, never logged by us, and wiped on close. One
 * struct credentials belongs to one thread at a time. */
#ifndef CLOUD_CREDENTIALS_H
#define CLOUD_CREDENTIALS_H

#include <time.h>

#include "cloud/http.h"

struct credentials; /* opaque */

struct credentials_options {
    http_getenv_fn getenv;
    const char *role, *audience; /* role-to-assume, audience; NULL or "" = none, sts.amazonaws.com */
    int role_seconds;            /* a session of that role; 0 = the service's default, an hour */
    bool is_anonymous; /* ask no source at all */
    const char *region;
    const char *endpoint_url; /* of an S3-compatible store that has its own STS; NULL or "" = AWS */
    time_t (*now)(void);      /* for tests; NULL = the wall clock */
};

struct credential_keys {
    const char *access_key, *secret_key; /* both "" = anonymous */
    const char *session_token;           /* "" = none */
};

MUST_CHECK bool credentials_open(const struct credentials_options *o, struct credentials **out, struct error *e);
void credentials_close(struct credentials *c); /* NULL is fine */
/* To be asked before every request: renews by the clock, a quarter of the lifetime (at most 10 minutes) ahead. While
 * the old ones are valid, a failed renewal is a warning. Borrowed until the next call. */
MUST_CHECK bool credentials_get(struct credentials *c, struct credential_keys *out, struct error *e);
/* For a server that says "expired" against our clock: *changed = there are new ones, try again. */
MUST_CHECK bool credentials_renew(struct credentials *c, bool *changed, struct error *e);
/* "environment", "web identity, GitHub's identity token", "profile ci", ... ; "anonymous" when there are none, and then
 * why in *why (may be ""). */
const char *credentials_source(const struct credentials *c, const char **why);
void credentials_allow_after_stop(struct credentials *c, double seconds);

#endif
