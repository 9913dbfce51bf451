/* The identity token of a CI job: what it says of itself, so that a refusal can be explained. Never verified here (the
 * service that takes it does that), and never printed. */
#ifndef CLOUD_ID_TOKEN_H
#define CLOUD_ID_TOKEN_H

#include "core/arena.h"
#include "core/str.h"

/* "" when the token does not say it. In the arena. */
struct id_token {
    const char *iss, *sub, *aud; /* aud: the first one */
    const char *repository, *ref; /* GitHub's; GitLab's project_path */
    bool has_exp; /* and it is a time before the year 9999 */
    int64_t exp; /* seconds since 1970 */
};

/* False: it is no JSON Web Token. */
bool id_token_read(const char *token, struct arena *a, struct id_token *out);
/* "iss ..., sub ..., aud ..., exp ..." */
const char *id_token_claims(const struct id_token *t, struct arena *a);
/* The statement of the role's trust policy that accepts exactly this token; one line of JSON. */
const char *id_token_trust_policy(const struct id_token *t, const char *role, struct arena *a);

#endif
