/* One request to a CI host's API. Private to github_api.c and gitlab_api.c. */
#ifndef CLOUD_CI_CALL_H
#define CLOUD_CI_CALL_H

#include "cloud/ci_api.h"
#include "core/json.h"

struct ci_call {
    const struct ci_api *api;
    const char *method, *path; /* path: below api->url, encoded */
    const struct json *body;   /* NULL = none */
    bool has_bearer;           /* the token as Authorization; else it is in the body */
    bool is_hasty;             /* one try of two seconds */

    struct http_response reply; /* out */
    const char *said;           /* out: the server's own words about a refusal; "" = none. In the arena */
};
/* True for every reply but trouble of the server's (5xx, 429), which was tried once more. */
MUST_CHECK bool ci_call(struct ci_call *c, struct arena *a, struct error *e);
/* The error for a reply that is no success. `cure` may be "". Always false. */
bool ci_refused(const struct ci_call *c, const char *server, const char *cure, struct error *e);

#endif
