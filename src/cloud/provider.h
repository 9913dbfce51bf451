/* One source of credentials. */
#ifndef CLOUD_PROVIDER_H
#define CLOUD_PROVIDER_H

#include <time.h>

#include "cloud/credentials.h"
#include "cloud/profile.h"

#define SECRET_MAX (16u << 10)

struct secret_keys {
    struct str_buf access_key, secret_key, session_token; /* wiped by secret_keys_wipe */
    bool expires;
    double lifetime_s; /* from now on */
};
void secret_keys_set(struct secret_keys *k, const char *access_key, const char *secret_key, const char *session_token);
void secret_keys_wipe(struct secret_keys *k);

struct provider_context {
    http_getenv_fn getenv;
    time_t (*now)(void);
    const char *role, *audience, *region, *endpoint_url; /* never NULL */
    int role_seconds;                                    /* a session of that role; 0 = the service's default */
    struct profile_settings profile;                     /* empty when its file cannot be read */
    struct http *http, *metadata_http;
    int max_tries;     /* of a request to an issuer of tokens or keys; 0 = the usual */
    char source[256];  /* more than the provider's name, for messages: "profile ci"; "" = the name will do */
    char why_not[512]; /* why a source that the user seems to want had nothing; for the anonymous case */
};

/* "" and blanks count as unset: "" then; never NULL. */
const char *provider_env(const struct provider_context *p, const char *name);

/* *found = false: this source has nothing, ask the next. False: it should have, the error says what is wrong. */
typedef bool (*provider_fn)(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
bool provider_environment(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
bool provider_web_identity(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
bool provider_profile(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
bool provider_container(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
bool provider_instance(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e);
/* For a profile that asks for it: nothing there is an error, which says why. */
bool provider_instance_required(struct provider_context *p, struct secret_keys *out, struct error *e);
/* credential_process of a profile. */
bool provider_process(struct provider_context *p, const char *command, struct secret_keys *out, struct error *e);

/* A JSON reply {AccessKeyId, SecretAccessKey, Token, Expiration} as the container and instance endpoints give it. */
bool provider_read_json(const struct provider_context *p, const struct http_response *r, const char *what,
                        struct secret_keys *out, struct error *e);
/* lifetime_s from an RFC 3339 expiration against the reply's own Date, so that a wrong local clock does not matter. */
void provider_set_expiry(const struct provider_context *p, const struct http_response *r, const char *expiration,
                         struct secret_keys *out);

/* What the service said with its refusal; "" when nothing. In the arena. */
struct service_error {
    const char *code, *message;
};
/* <Error> as STS and S3 answer, {"Error": {...}} or {"code", "message"} as others do. */
struct service_error provider_read_error(const struct http_response *r, struct arena *a);
/* GET or POST with retries: any 2xx is an answer, else the error names `what`, the status and the service's code, and
 * *said (may be NULL) holds more. */
bool provider_request(struct http *h, const struct http_request *r, const char *what, int max_tries, struct arena *a,
                      struct http_response *out, struct service_error *said, struct error *e);

#endif
