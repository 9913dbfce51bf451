/* "retrain COMMAND --option value ... argument ...". */
#include <string.h>

#include "config/loader.h"
#include "core/yaml.h"

static const char *const command_names[] = {
#define COMMAND_NAME(name, arguments, least, most, help) #name,
    CONFIG_COMMANDS(COMMAND_NAME)
#undef COMMAND_NAME
        NULL,
};
static const struct {
    int least, most;
    const char *arguments;
} command_arguments[] = {
#define COMMAND_ARGUMENTS(name, arguments, least, most, help) {least, most, arguments},
    CONFIG_COMMANDS(COMMAND_ARGUMENTS)
#undef COMMAND_ARGUMENTS
};

static int command_index(const char *word)
{
    for (int i = 0; command_names[i]; i++) {
        if (!strcmp(word, command_names[i]))
            return i;
    }
    return -1;
}

static bool fail_unknown_flag(struct str name, struct error *e)
{
    const char *near = option_nearest(name, OPTION_CLI);
    return fail(e, ERR_CONFIG, "there is no option --" STR_FMT "%s%s%s", STR_ARG(str_slice(name, 0, 80)),
                near ? "; did you mean --" : "; `retrain help` lists them", near ? near : "", near ? "?" : "");
}

/* One "--name value", "--name=value" or "--flag"; *i moves over what it used. */
static bool read_flag(struct loader *l, int *i, struct error *e)
{
    const struct config_input *in = l->in;
    struct str rest = str_of(in->argv[*i] + 2), name = rest;
    bool has_equals = memchr(rest.p, '=', rest.n) != NULL;
    if (has_equals)
        str_cut(&rest, '=', &name);

    const struct option *o = option_find(name);
    if (!o)
        return fail_unknown_flag(name, e);

    const char *flag = arena_printf(in->arena, "--%s", o->name);
    if (o->scope == OPTION_SECRET)
        return fail(e, ERR_CONFIG, "%s: a secret is not for the command line, which others can read: set the variable RETRAIN_%s",
                    flag, option_env_name(o->name, in->arena));
    const char *next = *i + 1 < in->argc ? in->argv[*i + 1] : NULL;
    bool ignored;
    if (has_equals)
        return loader_set(l, o, rest, flag, flag, e);
    if (o->type == OPTION_FLAG) {
        bool takes_next = next && yaml_to_bool(next, &ignored);
        *i += takes_next;
        return loader_set(l, o, str_of(takes_next ? next : "true"), flag, flag, e);
    }
    if (!next || !strncmp(next, "--", 2))
        return fail(e, ERR_CONFIG, "%s: needs a value", flag);
    *i += 1;
    return loader_set(l, o, str_of(next), flag, flag, e);
}

static bool check_arguments(const struct config *c, bool is_named, struct error *e)
{
    int k = command_index(c->command);
    if (!is_named && c->n_arguments) {
        const char *near = str_nearest(str_of(c->arguments[0]), command_names);
        return fail(e, ERR_CONFIG, "there is no command '%.80s'%s%s%s", c->arguments[0],
                    near ? "; did you mean '" : "; `retrain help` lists them", near ? near : "", near ? "'?" : "");
    }
    if (c->n_arguments > command_arguments[k].most)
        return fail(e, ERR_CONFIG, "%s: does not know what to do with '%.80s'", c->command,
                    c->arguments[command_arguments[k].most]);
    if (c->n_arguments < command_arguments[k].least)
        return fail(e, ERR_CONFIG, "%s: needs %s", c->command, command_arguments[k].arguments);
    return true;
}

/* `what` as in "retrain help what"; "" = everything. `arguments` has room for it. */
static bool ask_help(struct config *c, const char **arguments, const char *what)
{
    c->command = "help";
    arguments[0] = what;
    c->n_arguments = 1;
    return true;
}

bool loader_read_command_line(struct loader *l, struct error *e)
{
    const struct config_input *in = l->in;
    struct config *c = l->c;
    const char **arguments = ARENA_NEW(in->arena, const char *, (size_t)in->argc + 1);
    bool is_named = false, only_arguments = false;
    c->command = "run";
    c->arguments = arguments;
    c->n_arguments = 0;

    if (in->argc == 2 && !strcmp(in->argv[1], "--version")) /* of the program; with a value it is an option of pull */
        return ask_help(c, arguments, "--release");
    for (int i = 1; i < in->argc; i++) {
        const char *word = in->argv[i];
        bool is_help = c->n_arguments == 0 && !strcmp(c->command, "help");
        if (!only_arguments && !strcmp(word, "--")) {
            only_arguments = true;
        } else if (!only_arguments && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            return ask_help(c, arguments, is_named ? c->command : ""); /* whatever else was asked: help never fails */
        } else if (!only_arguments && !strncmp(word, "--", 2) && !is_help) {
            if (!read_flag(l, &i, e))
                return false;
        } else if (!only_arguments && word[0] == '-' && word[1] && !is_help) {
            return fail(e, ERR_CONFIG, "there is no option %.80s; options begin with two dashes", word);
        } else if (!is_named && !c->n_arguments && command_index(word) >= 0) {
            is_named = true;
            c->command = command_names[command_index(word)];
        } else if (*word) { /* an unset `args:` input of a workflow arrives as an empty word */
            arguments[c->n_arguments++] = word;
        }
    }
    return check_arguments(c, is_named, e);
}
