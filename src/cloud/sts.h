/* The Security Token Service: a session of a role, for the keys of another identity or for an identity token. */
#ifndef CLOUD_STS_H
#define CLOUD_STS_H

#include "cloud/provider.h"

struct sts_role {
    const char *arn;
    const char *session_name; /* NULL or "" = ours */
    const char *external_id;  /* NULL or "" = none */
    int seconds;              /* 0 = the service's default, an hour */
};

/* Where an identity token comes from. */
enum identity_kind { IDENTITY_NONE, IDENTITY_GITHUB, IDENTITY_VARIABLE, IDENTITY_FILE };
struct identity {
    enum identity_kind kind;
    const char *path; /* of the file */
};
/* The token that the CI host offers, if any: looks only, asks nobody. */
struct identity identity_find(const struct provider_context *p);
/* A token of it, in the arena; a new one each time where the source makes them (GitHub's live for five minutes). */
bool identity_token(struct provider_context *p, const struct identity *i, struct arena *a, const char **token, struct error *e);
const char *identity_name(const struct identity *i); /* "GitHub's identity token" */

/* AssumeRole, signed with `keys`; `who` names them in errors ("the keys of profile ci"). */
bool sts_assume_role(struct provider_context *p, const struct sts_role *role, const struct secret_keys *keys, const char *who,
                     struct secret_keys *out, struct error *e);
/* AssumeRoleWithWebIdentity, unsigned. */
bool sts_assume_with_identity(struct provider_context *p, const struct sts_role *role, const struct identity *i,
                              struct secret_keys *out, struct error *e);

#endif
