/* The shared config and credentials files as one set of profiles. Holds secrets from load to free. */
#ifndef CLOUD_PROFILE_FILES_H
#define CLOUD_PROFILE_FILES_H

#include "cloud/ini.h"
#include "cloud/profile.h"

struct profile_files {
    struct arena arena;
    const struct ini_section *config, *credentials;
    const char *config_path, *credentials_path; /* for messages */
    struct str texts[2];                        /* to be wiped */
};

MUST_CHECK bool profile_files_load(http_getenv_fn getenv, struct profile_files *out, struct error *e);
/* The same from texts, which are copied; NULL counts as a missing file. */
MUST_CHECK bool profile_files_parse(const char *config, const char *credentials, struct profile_files *out, struct error *e);
void profile_files_free(struct profile_files *f); /* wipes; also after a failed load */

bool profile_exists(const struct profile_files *f, const char *profile);
/* The credentials file's value before the config file's; "" when there is none. Borrowed until free. */
const char *profile_get(const struct profile_files *f, const char *profile, const char *name);
/* Of `service` ("s3", "sts"): [services x] of the profile before the profile's own endpoint_url. In the arena. */
const char *profile_endpoint_url(const struct profile_files *f, const char *profile, const char *service, struct arena *a);

/* AWS_PROFILE; "default", and then *is_named = false. */
const char *profile_selected(http_getenv_fn getenv, bool *is_named);

#endif
