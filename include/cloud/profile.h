/* What the profile in use (AWS_PROFILE, else "default") of the shared configuration says about services. Its keys and
 * roles are the business of cloud/credentials.h. */
#ifndef CLOUD_PROFILE_H
#define CLOUD_PROFILE_H

#include "cloud/http.h"

/* All in the arena, "" when not set. */
struct profile_settings {
    const char *region;
    const char *endpoint_url_s3, *endpoint_url_sts; /* from its services section, else its endpoint_url */
    const char *sts_regional_endpoints;             /* "legacy", "regional" */
    const char *metadata_endpoint, *metadata_endpoint_mode; /* ec2_metadata_service_endpoint(_mode) */
};

/* Reads AWS_CONFIG_FILE (~/.aws/config) and AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials); a missing file or profile
 * is an empty one. ERR_CONFIG with file and line for one that cannot be read. */
MUST_CHECK bool profile_settings(http_getenv_fn getenv, struct arena *a, struct profile_settings *out, struct error *e);

#endif
