#include "store/manifest.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "store/backend.h"
#include "store/publish.h"

bool version_is_valid(const char *version)
{
    return strlen(version) <= VERSION_MAX_BYTES && !strchr(version, '/') && store_key_is_valid(version);
}

char *version_key(struct arena *a, const char *version, const char *name)
{
    return arena_printf(a, "versions/%s/%s", version, name);
}

char *version_publishing_key(struct arena *a, const char *version)
{
    return arena_printf(a, "checkpoints/%s/publishing", version);
}

const char *manifest_version(const struct json *m)
{
    return json_string(json_get(m, "version"), "");
}

time_t manifest_time(const struct json *m)
{
    time_t t = 0;
    return clock_parse_rfc3339(str_of(json_string(json_get(m, "created_at"), "")), &t) ? t : 0;
}

int manifest_order(const struct json *a, const struct json *b)
{
    time_t ta = manifest_time(a), tb = manifest_time(b);
    if (ta != tb)
        return ta < tb ? -1 : 1;
    return strcmp(manifest_version(a), manifest_version(b));
}

static bool complain(char why[256], const char *what, const char *detail)
{
    snprintf(why, 256, "%s%s%.120s", what, detail[0] ? ": " : "", detail);
    return false;
}

static bool check_artifact(const struct json *artifact, const char *folder, const char *version, char why[256])
{
    const char *name = json_string(json_get(artifact, "name"), "");
    const char *key = json_string(json_get(artifact, "key"), "");
    const char *sha256 = json_string(json_get(artifact, "sha256"), "");
    char prefix[32 + VERSION_MAX_BYTES];
    uint8_t sum[SHA256_BYTES];
    int64_t size;

    snprintf(prefix, sizeof prefix, "%s/%s/", folder, version);
    if (!store_key_is_valid(name))
        return complain(why, "an artifact has no usable name", "");
    if (!store_key_is_valid(key) || !str_starts(str_of(key), prefix))
        return complain(why, "an artifact's key is not below its version", name);
    if (!hex_decode(str_of(sha256), sum, sizeof sum))
        return complain(why, "an artifact's sha256 is not 64 hexadecimal digits", name);
    if (!json_int64(json_get(artifact, "size"), &size) || size < 0)
        return complain(why, "an artifact's size is not a whole number", name);
    return true;
}

static bool check(const struct json *m, const char *folder, const char *version, bool *is_newer, char why[256])
{
    const struct json *artifacts = json_get(m, "artifacts");
    int64_t schema;
    time_t t;

    if (!json_int64(json_get(m, "schema"), &schema))
        return complain(why, "no schema number", "");
    if (schema != MANIFEST_SCHEMA) {
        *is_newer = schema > MANIFEST_SCHEMA;
        return complain(why, "a schema that this retrain does not know", "");
    }
    if (!version_is_valid(manifest_version(m)) || (version && strcmp(manifest_version(m), version)))
        return complain(why, "it is about another version", manifest_version(m));
    if (!clock_parse_rfc3339(str_of(json_string(json_get(m, "created_at"), "")), &t))
        return complain(why, "created_at is not a time", "");
    if (json_len(artifacts) == 0)
        return complain(why, "it lists no artifacts", "");
    for (size_t i = 0; i < json_len(artifacts); i++) {
        if (!check_artifact(json_at(artifacts, i), folder, manifest_version(m), why))
            return false;
    }
    return true;
}

bool manifest_parse_below(struct str text, const char *folder, const char *version, struct json **out, bool *is_newer,
                          char why[256])
{
    struct error broken;

    *out = NULL;
    *is_newer = false;
    if (!json_parse(text, "JSON", out, &broken))
        return complain(why, "not valid", broken.message);
    if (check(*out, folder, version, is_newer, why))
        return true;
    json_free(*out);
    *out = NULL;
    return false;
}

bool manifest_parse(struct str text, const char *version, struct json **out, bool *is_newer, char why[256])
{
    return manifest_parse_below(text, "versions", version, out, is_newer, why);
}

const struct json *manifest_artifact(const struct json *manifest, const char *name)
{
    const struct json *all = json_get(manifest, "artifacts");
    for (size_t i = 0; i < json_len(all); i++) {
        if (!strcmp(json_string(json_get(json_at(all, i), "name"), ""), name))
            return json_at(all, i);
    }
    return NULL;
}

bool manifest_fetch(struct store *s, const struct json *artifact, const char *path, struct error *e)
{
    uint8_t sum[SHA256_BYTES];
    if (!hex_decode(str_of(json_string(json_get(artifact, "sha256"), "")), sum, sizeof sum))
        return fail(e, ERR_STORE, "its manifest has no sound checksum of %s", json_string(json_get(artifact, "name"), "this file"));
    return store_get_file(s, json_string(json_get(artifact, "key"), "-"), path, sum, e);
}
