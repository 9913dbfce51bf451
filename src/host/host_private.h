/* One adapter per kind of host. Private to the host module. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "host/host.h"

struct host_kind {
    const char *name;
    bool (*is_here)(getenv_fn env);
    void (*fill)(getenv_fn env, struct arena *a, struct host *h); /* workspace is cwd already */
    void (*set_outputs)(const struct host *h, const struct output *outputs, size_t n);
    void (*add_summary)(const struct host *h, struct str markdown);
};

extern const struct host_kind host_github, host_gitlab, host_local;

extern const struct host_next host_next_none;
/* github_next.c, gitlab_next.c: h->next, after the rest of h. */
void github_fill_next(getenv_fn env, struct arena *a, struct host *h);
void gitlab_fill_next(getenv_fn env, struct arena *a, struct host *h);
/* May stand in a line that people paste into a shell: [A-Za-z0-9._/-] only. */
bool host_is_plain_name(const char *text);

/* The variable's value, "" when unset. */
const char *host_env(getenv_fn env, const char *name);

/* GITHUB_OUTPUT's text for these outputs: heredocs with a delimiter of 32 random hex digits; an output that the
 * delimiter occurs in, or whose name is not [A-Za-z_][A-Za-z0-9_-]*, is refused with a warning. */
void github_outputs_text(const struct output *outputs, size_t n, const char *delimiter, struct str_buf *out);
/* retrain.env's text: RETRAIN_NAME=value lines; values with blanks or control characters are refused with a
 * warning, and so is what does not fit into GitLab's 5 KB. */
void gitlab_outputs_text(const struct output *outputs, size_t n, struct str_buf *out);

#endif
