#include "host/host.h"

#include <string.h>

#include "host/host_private.h"

/* In order of asking: the last one is everywhere. */
static const struct host_kind *const kinds[] = {&host_github, &host_gitlab, &host_local};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

const struct host_next host_next_none = {"", "", "", "", "", "", "", "", "", "", "", "", false, false, false};

const char *host_env(getenv_fn env, const char *name)
{
    const char *value = env(name);
    return value ? value : "";
}

void host_detect(getenv_fn env, const char *cwd, struct arena *a, struct host *out)
{
    int k = 0;
    while (k < N_KINDS - 1 && !kinds[k]->is_here(env))
        k++;
    *out = (struct host){.name = kinds[k]->name,
                         .workspace = arena_strdup(a, cwd),
                         .repository = "",
                         .commit = "",
                         .ref = "",
                         .run_url = "",
                         .next = host_next_none,
                         .getenv = env};
    kinds[k]->fill(env, a, out);
}

bool host_is_plain_name(const char *text)
{
    return *text && *text != '-' &&
           !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")];
}

static const struct host_kind *kind_of(const struct host *h)
{
    for (int k = 0; k < N_KINDS; k++) {
        if (h->name == kinds[k]->name)
            return kinds[k];
    }
    return &host_local;
}

void host_set_outputs(const struct host *h, const struct output *outputs, size_t n)
{
    kind_of(h)->set_outputs(h, outputs, n);
}

void host_add_summary(const struct host *h, struct str markdown)
{
    kind_of(h)->add_summary(h, markdown);
}
