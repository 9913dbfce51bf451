/* Where values come from, lowest precedence first: defaults, retrain.yml, RETRAIN_*, INPUT_*, command line. Each source
 * overwrites the one before, so a wrong value is an error even where a better one follows. */
#include "config/config.h"

#include <ctype.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/thread.h"
#include "core/yaml.h"
#include "config/loader.h"

#define EVAL_CONFIDENCE 0.001 /* metrics rank nearly everything; people want what is likely */

bool loader_set(struct loader *l, const struct option *o, struct str value, const char *origin, const char *where,
                struct error *e)
{
    value = str_trim(value);
    if (!value.n)
        return true; /* empty counts as not given */
    if (!option_set(l->c, o, value, where, l->in->arena, e))
        return false;
    l->origins[o - option_table] = origin;
    return true;
}

/* --- command line ------------------------------------------------------------------------------------------- */

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

static bool read_command_line(struct loader *l, struct error *e)
{
    const struct config_input *in = l->in;
    struct config *c = l->c;
    const char **arguments = ARENA_NEW(in->arena, const char *, (size_t)in->argc + 1);
    bool is_named = false, only_arguments = false;
    c->command = "run";
    c->arguments = arguments;
    c->n_arguments = 0;

    for (int i = 1; i < in->argc; i++) {
        const char *word = in->argv[i];
        bool is_help = c->n_arguments == 0 && !strcmp(c->command, "help");
        if (!only_arguments && !strcmp(word, "--")) {
            only_arguments = true;
        } else if (!only_arguments && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            c->command = "help"; /* whatever else was asked: help never fails */
            c->n_arguments = 0;
            return true;
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

/* --- environment -------------------------------------------------------------------------------------------- */

/* The value of NAME in a NAME=value list; NULL when unset. */
static const char *environment_get(const char *const *environment, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; environment && environment[i]; i++) {
        if (!strncmp(environment[i], name, n) && environment[i][n] == '=')
            return environment[i] + n + 1;
    }
    return NULL;
}

static bool read_variable(struct loader *l, const struct option *o, const char *name, struct error *e)
{
    const char *value = environment_get(l->in->environment, name);
    return !value || loader_set(l, o, str_of(value), name, name, e);
}

/* GitHub upper-cases an input's name and keeps its hyphens, which no shell can write; hence both spellings. Lowest
 * first. */
static bool read_environment(struct loader *l, struct error *e)
{
    struct arena *a = l->in->arena;
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (o->scope == OPTION_CLI)
            continue;
        char *under = option_env_name(o->name, a), *hyphen = arena_strdup(a, under);
        for (char *p = hyphen; *p; p++)
            *p = *p == '_' ? '-' : *p;
        if (!read_variable(l, o, arena_printf(a, "RETRAIN_%s", under), e) ||
            !read_variable(l, o, arena_printf(a, "INPUT_%s", under), e))
            return false;
        if (strcmp(under, hyphen) && !read_variable(l, o, arena_printf(a, "INPUT_%s", hyphen), e))
            return false;
    }
    return true;
}

/* A misspelt input would otherwise be ignored in silence. `args` and `entrypoint` are the runner's own. */
static void warn_unknown_inputs(const struct config_input *in)
{
    bool is_github = in->host && !strcmp(in->host->name, "github");
    for (size_t i = 0; in->environment && in->environment[i]; i++) {
        struct str rest = str_of(in->environment[i]), name;
        bool is_input = str_starts(rest, "INPUT_") && is_github;
        bool is_ours = str_starts(rest, "RETRAIN_");
        if ((!is_input && !is_ours) || !str_cut(&rest, '=', &name))
            continue;
        char *option = str_dup(in->arena, str_slice(name, is_input ? 6 : 8, name.n));
        for (char *p = option; *p; p++)
            *p = *p == '_' || *p == ' ' ? '-' : (char)tolower((unsigned char)*p);
        const struct option *known = option_find(str_of(option));
        if (is_input && (!strcmp(option, "args") || !strcmp(option, "entrypoint")))
            continue;
        if (known && (known->scope != OPTION_CLI || is_ours))
            continue;
        const char *near = known ? NULL : option_nearest(str_of(option), OPTION_OUTSIDE);
        if (known)
            log_warning(STR_FMT ": '%s' is an option of the command line only; ignored", STR_ARG(name), option);
        else if (near)
            log_warning(STR_FMT ": there is no option '%s'; did you mean '%s'? Ignored", STR_ARG(name), option, near);
        else if (is_input)
            log_warning(STR_FMT ": there is no input '%s'; ignored", STR_ARG(name), option);
    }
}

/* --- what follows from the values --------------------------------------------------------------------------- */

/* What was set and by whom, for the log. Values that name accounts or servers are left out. */
static char *describe_given(const struct loader *l)
{
    static const char *const quiet[] = {"role-to-assume", "endpoint-url", "audience"};
    struct str_buf b = STR_BUF(8 << 10);
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (!l->origins[i] || o->scope == OPTION_SECRET)
            continue;
        bool is_quiet = false;
        for (size_t k = 0; k < sizeof quiet / sizeof *quiet; k++)
            is_quiet |= !strcmp(o->name, quiet[k]);
        char number[32] = "";
        const void *v = option_value(l->c, o);
        const char *text = number;
        switch (o->type) {
        case OPTION_TEXT:
        case OPTION_CHOICE:
        case OPTION_LIST:
            text = is_quiet ? "" : *(const char *const *)v;
            break;
        case OPTION_INT:
        case OPTION_STEP_32:
            config_format_real(*(const int *)v, number);
            break;
        case OPTION_AUTO_INT:
            config_format_real(*(const int *)v, number);
            text = *(const int *)v ? number : "auto";
            break;
        case OPTION_AUTO_REAL:
        case OPTION_REAL:
            config_format_real(*(const double *)v, number);
            text = o->type == OPTION_AUTO_REAL && *(const double *)v == 0 ? "auto" : number;
            break;
        case OPTION_DURATION:
            clock_format_duration(*(const double *)v, number);
            break;
        case OPTION_FLAG:
            text = *(const bool *)v ? "true" : "false";
            break;
        case OPTION_MAP:
            break;
        }
        str_buf_printf(&b, "%s%s%s%s (%s)", b.n ? ", " : "", o->name, *text ? " " : "", text, l->origins[i]);
    }
    char *out = arena_strdup(l->in->arena, str_buf_text(&b));
    str_buf_free(&b);
    return out;
}

/* What outputs and messages need, from whatever was understood so far. */
static void resolve(struct loader *l)
{
    struct config *c = l->c;
    struct arena *a = l->in->arena;
    c->dataset_path = fs_join(a, c->workspace, c->dataset);
    c->output_json_path = *c->output_json ? fs_join(a, c->workspace, c->output_json) : "";
    c->report_dir = fs_join(a, c->workspace, "retrain-report");
    c->want_onnx = strstr(c->formats, "onnx") != NULL;
    c->want_safetensors = strstr(c->formats, "safetensors") != NULL;
    if (c->threads == 0)
        c->threads = cpu_count();
    if (c->smoke)
        c->epochs = 1;
    if (!strcmp(c->command, "eval") && !l->origins[option_find(STR_LIT("confidence")) - option_table])
        c->confidence = EVAL_CONFIDENCE;
    c->given = describe_given(l);
}

/* The command line is read twice: first for its command, --config and --output-json, which are needed before the file
 * and even if the file is wrong; last because it has the final word. */
static bool load(struct loader *l, struct error *e)
{
    struct config *c = l->c;
    const struct option *file = option_find(STR_LIT("config"));
    if (!read_command_line(l, e))
        return false;
    if (!strcmp(c->command, "help"))
        return true;
    if (!read_environment(l, e) || !read_command_line(l, e))
        return false;
    const char *named_by = l->origins[file - option_table];
    if (!loader_check_escape(l, "config", c->config, e) || !loader_read_file(l, c->config, named_by, e))
        return false;
    return read_environment(l, e) && read_command_line(l, e);
}

bool config_load(const struct config_input *in, struct config *out, struct error *e)
{
    *out = (struct config){.command = "run"};
    struct loader l = {.in = in, .c = out};
    if (option_count > LOADER_MAX_OPTIONS)
        BUG("%d options", option_count);
    out->workspace = in->host && in->host->workspace ? in->host->workspace : ".";
    option_set_defaults(out, in->arena);
    bool ok = load(&l, e);
    resolve(&l);
    if (ok && !strcmp(out->command, "help"))
        return true;
    if (ok)
        warn_unknown_inputs(in);
    return ok && loader_check_places(&l, e);
}

char *config_path(const struct config *c, struct arena *a, const char *path)
{
    return fs_join(a, c->workspace, path);
}
