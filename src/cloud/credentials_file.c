/* The shared credentials file: [profile] sections of name = value. */
#include <string.h>

#include "cloud/provider.h"
#include "core/fs.h"

#define FILE_MAX (1u << 20)

static const char *file_path(const struct provider_context *p, struct arena *a)
{
    const char *path = provider_env(p, "AWS_SHARED_CREDENTIALS_FILE"), *home = provider_env(p, "HOME");
    if (path[0])
        return path;
    return home[0] ? fs_join(a, home, ".aws/credentials") : "";
}

static bool read_profile(struct str text, const char *profile, struct arena *a, struct secret_keys *out)
{
    const char *access = "", *secret = "", *token = "";
    struct str line, name;
    bool is_ours = false;

    while (str_cut(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (line.p[0] == '[') {
            is_ours = str_ends(line, "]") && str_is(str_trim(str_slice(line, 1, line.n - 1)), profile);
            continue;
        }
        if (!is_ours || !str_cut(&line, '=', &name))
            continue;
        name = str_trim(name);
        const char *value = str_dup(a, str_trim(line));
        if (str_is(name, "aws_access_key_id"))
            access = value;
        else if (str_is(name, "aws_secret_access_key"))
            secret = value;
        else if (str_is(name, "aws_session_token"))
            token = value;
    }
    if (access[0] && secret[0])
        secret_keys_set(out, access, secret, token);
    return access[0] && secret[0];
}

bool provider_shared_file(struct provider_context *p, struct secret_keys *out, bool *found, struct error *e)
{
    struct arena a = {0};
    const char *path = file_path(p, &a), *named = provider_env(p, "AWS_PROFILE");
    const char *profile = named[0] ? named : "default";
    struct str text;
    bool ok = true;

    if (path[0] && fs_exists(path)) {
        ok = fs_read_file(path, FILE_MAX, &a, &text, e);
        if (ok) {
            *found = read_profile(text, profile, &a, out);
            secure_wipe((char *)text.p, text.n);
        } else {
            e->code = ERR_CONFIG;
        }
    }
    if (ok && !*found && named[0])
        ok = fail(e, ERR_CONFIG, "AWS_PROFILE names %s, but %s has no keys for it", named, path[0] ? path : "no file");
    arena_free(&a);
    return ok;
}
