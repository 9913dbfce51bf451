#include "cloud/profile_files.h"

#include <ctype.h>
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"

#define FILE_MAX (1u << 20)

static const char *env(http_getenv_fn getenv, const char *name)
{
    const char *value = getenv ? getenv(name) : NULL;
    return value ? value : "";
}

const char *profile_selected(http_getenv_fn getenv, bool *is_named)
{
    const char *named = env(getenv, "AWS_PROFILE");
    *is_named = named[0] != 0;
    return *is_named ? named : "default";
}

static const char *file_path(http_getenv_fn getenv, const char *variable, const char *name, struct arena *a)
{
    const char *own = env(getenv, variable), *home = env(getenv, "HOME");
    if (str_starts(str_of(own), "~/") && home[0])
        return fs_join(a, home, own + 2);
    if (own[0])
        return arena_strdup(a, own);
    return home[0] ? fs_join(a, home, name) : "";
}

static bool parse(struct profile_files *f, size_t which, const char *path, struct error *e)
{
    struct ini_section *sections;
    struct str text = f->texts[which];
    if (!ini_parse((char *)text.p, text.n, path, &f->arena, &sections, e))
        return false;
    *(which ? &f->credentials : &f->config) = sections;
    return true;
}

bool profile_files_load(http_getenv_fn getenv, struct profile_files *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    out->config_path = file_path(getenv, "AWS_CONFIG_FILE", ".aws/config", &out->arena);
    out->credentials_path = file_path(getenv, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", &out->arena);
    const char *const paths[2] = {out->config_path, out->credentials_path};
    for (size_t i = 0; i < 2; i++) {
        if (!paths[i][0] || !fs_exists(paths[i]))
            continue;
        if (!fs_read_file(paths[i], FILE_MAX, &out->arena, &out->texts[i], e)) {
            e->code = ERR_CONFIG;
            return false;
        }
        if (!parse(out, i, paths[i], e))
            return false;
    }
    return true;
}

bool profile_files_parse(const char *config, const char *credentials, struct profile_files *out, struct error *e)
{
    static const char *const names[2] = {"config", "credentials"};
    const char *const texts[2] = {config, credentials};
    memset(out, 0, sizeof *out);
    out->config_path = names[0];
    out->credentials_path = names[1];
    for (size_t i = 0; i < 2; i++) {
        out->texts[i] = str_of(texts[i] ? arena_strdup(&out->arena, texts[i]) : "");
        if (texts[i] && !parse(out, i, names[i], e))
            return false;
    }
    return true;
}

void profile_files_free(struct profile_files *f)
{
    for (size_t i = 0; i < 2; i++) {
        if (f->texts[i].n)
            secure_wipe((char *)f->texts[i].p, f->texts[i].n);
    }
    arena_free(&f->arena);
    memset(f, 0, sizeof *f);
}

/* "profile ci" is ci of the kind profile. */
static bool section_is(const struct ini_section *s, const char *kind, const char *name)
{
    struct str text = str_of(s->name);
    size_t n = strlen(kind);
    return str_starts(text, kind) && text.n > n && (text.p[n] == ' ' || text.p[n] == '\t') &&
           str_is(str_trim(str_slice(text, n, text.n)), name);
}

/* Others are left out, as the SDKs do. */
static bool name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-_./%@:+", *c))
            return false;
    }
    return name[0] != 0;
}

static bool has_prefixed_default(const struct profile_files *f)
{
    for (const struct ini_section *s = f->config; s; s = s->next) {
        if (section_is(s, "profile", "default"))
            return true;
    }
    return false;
}

/* In the config file a profile is [profile NAME], and [default] counts while there is no [profile default]; in the
 * credentials file it is [NAME]. */
static bool is_profile(const struct profile_files *f, const struct ini_section *s, bool in_credentials, const char *profile)
{
    if (in_credentials)
        return strcmp(s->name, profile) == 0;
    if (section_is(s, "profile", profile))
        return true;
    return strcmp(profile, "default") == 0 && strcmp(s->name, "default") == 0 && !has_prefixed_default(f);
}

bool profile_exists(const struct profile_files *f, const char *profile)
{
    bool found = false;
    for (int i = 0; i < 2; i++) {
        for (const struct ini_section *s = i ? f->credentials : f->config; s; s = s->next)
            found = found || is_profile(f, s, i, profile);
    }
    return found && name_is_valid(profile);
}

const char *profile_get(const struct profile_files *f, const char *profile, const char *name)
{
    const char *value = "";
    for (int i = 0; i < 2 && name_is_valid(profile); i++) {
        for (const struct ini_section *s = i ? f->credentials : f->config; s; s = s->next) {
            const char *here = is_profile(f, s, i, profile) ? ini_get(s, name) : "";
            value = here[0] ? here : value;
        }
    }
    return value;
}

const char *profile_endpoint_url(const struct profile_files *f, const char *profile, const char *service, struct arena *a)
{
    const char *services = profile_get(f, profile, "services"), *own = "";
    for (const struct ini_section *s = f->config; s && services[0]; s = s->next) {
        if (section_is(s, "services", services))
            own = ini_get_nested(ini_get(s, service), "endpoint_url", a);
    }
    return own[0] ? own : arena_strdup(a, profile_get(f, profile, "endpoint_url"));
}

bool profile_settings(http_getenv_fn getenv, struct arena *a, struct profile_settings *out, struct error *e)
{
    struct profile_files f;
    bool is_named;
    const char *profile = profile_selected(getenv, &is_named);

    *out = (struct profile_settings){"", "", "", "", "", ""};
    bool ok = profile_files_load(getenv, &f, e);
    if (ok)
        *out = (struct profile_settings){
            .region = arena_strdup(a, profile_get(&f, profile, "region")),
            .endpoint_url_s3 = profile_endpoint_url(&f, profile, "s3", a),
            .endpoint_url_sts = profile_endpoint_url(&f, profile, "sts", a),
            .sts_regional_endpoints = arena_strdup(a, profile_get(&f, profile, "sts_regional_endpoints")),
            .metadata_endpoint = arena_strdup(a, profile_get(&f, profile, "ec2_metadata_service_endpoint")),
            .metadata_endpoint_mode = arena_strdup(a, profile_get(&f, profile, "ec2_metadata_service_endpoint_mode")),
        };
    profile_files_free(&f);
    return ok;
}
